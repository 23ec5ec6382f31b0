"""Lineage in OpenLineage: what verbs made, told to a receiver where one is configured.

Nothing here imports the OpenLineage client before there is something to send: :mod:`.telling` is what verbs use,
:mod:`.events` makes events of what they told, :mod:`.sending` sends them.
"""
