"""The verbs that move kits through channels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kitops_core import types
from kitops_core.session import Session


class PromotionVerbs:
    """The verbs that move kits through channels."""

    _session: Session

    def promote(
        self,
        reference: str,
        to: str,
        *,
        policy: types.PromotionPolicy | str | Path = "promotion.yaml",
        expect: str = "",
        dry_run: bool = False,
        note: str = "",
    ) -> types.Promotion:
        """Promote a kit into a channel, by digest, through the channel's gates.

        The digest stays the same, and signatures and attestations go along. A promotion that is refused, fails or is
        interrupted leaves the channel's tag as it was. Where the channel has this kit already, nothing is done.

        Args:
            reference: The kit: a reference, the name of a channel, or an empty string for what is in the channel's
                upstream now. A tag is resolved once.
            to: The channel.
            policy: The promotion policy, or the file it is in.
            expect: What the channel must have now: a digest, or ``absent``; anything goes where it is empty.
            dry_run: Only say what would be done, with each gate's evidence and what differs from the channel's kit.
            note: A sentence for the record.

        Raises:
            GateRefusedError: A gate refused, or could not be evaluated.
            LostRaceError: The channel does not have what was expected, or another writer moved its tag.
            NotFoundError: There is no such kit or channel.
            InvalidInputError: The policy, the key or an argument cannot be used.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
            CancelledError: The switch was flipped.
        """
        from kitops_core.promotion.promote import promote

        return promote(self._session, reference, to, policy=policy, expect=expect, dry_run=dry_run, note=note)

    def promote_all(
        self,
        policy: types.PromotionPolicy | str | Path = "promotion.yaml",
        *,
        to: Sequence[str] = (),
        dry_run: bool = False,
        note: str = "",
    ) -> types.PromotedAll:
        """Promote into every channel of every kit of a policy what its upstream has now, upstreams first.

        What a gate refuses, or cannot be done, holds up nothing else; downstream goes on with what the channel has. A
        kit that a channel was rolled back from is refused there: :meth:`promote` puts it back. A kit that moves nowhere
        costs one request for each of its channels' tags and two for its repository.

        Args:
            policy: The promotion policy, or the file it is in; with ``kits`` all of them, several at a time.
            to: Only these channels.
            dry_run: Only say what would be done, by what the channels have now.
            note: A sentence for the records.

        Raises:
            NotFoundError: There is no such channel.
            InvalidInputError: The policy cannot be used.
            CancelledError: The switch was flipped.
        """
        from kitops_core.promotion.promote_all import promote_all

        return promote_all(self._session, policy, to=to, dry_run=dry_run, note=note)

    def rollback(
        self,
        channel: str,
        *,
        to: str = "",
        policy: types.PromotionPolicy | str | Path = "promotion.yaml",
        expect: str = "",
        dry_run: bool = False,
        note: str = "",
    ) -> types.Promotion:
        """Promote the kit again that a channel had before, and record that as a rollback.

        A second rollback goes one further back. The gates that look at the kit itself are asked again (its signature
        may no longer hold); upstream, soak, approvals, metrics and age are not: the record says the kit was in the
        channel before.

        Args:
            channel: The channel.
            to: The digest to go back to, which a record says was in the channel; by default the one before the present.
            policy: The promotion policy, or the file it is in.
            expect: What the channel must have now: a digest; anything goes where it is empty.
            dry_run: Only say what would be done.
            note: A sentence for the record.

        Raises:
            NotFoundError: There is no such channel, or nothing to go back to.
            GateRefusedError, LostRaceError, InvalidInputError, DeniedError, RegistryError, StoreError, CancelledError:
                As for :meth:`promote`.
        """
        from kitops_core.promotion.promote import rollback

        return rollback(self._session, channel, to=to, policy=policy, expect=expect, dry_run=dry_run, note=note)

    def approve(
        self, reference: str, to: str, *, policy: types.PromotionPolicy | str | Path = "promotion.yaml", note: str = ""
    ) -> types.Evidence:
        """Approve a kit for a channel: attach a statement about its digest and the channel, signed by the signer.

        Args:
            reference: The kit: a reference, the name of a channel, or an empty string for what is in the upstream now.
            to: The channel.
            policy: The promotion policy, or the file it is in.
            note: A sentence for the statement.

        Raises:
            NotFoundError: There is no such kit or channel.
            InvalidInputError: The policy or the key cannot be used, or an approval by this key would not count there.
            DeniedError, RegistryError: The registry refused or failed.
        """
        from kitops_core.promotion.approve import approve

        return approve(self._session, reference, to, policy=policy, note=note)

    def channels(self, policy: types.PromotionPolicy | str | Path = "promotion.yaml") -> list[types.ChannelState]:
        """What is in each channel of a promotion policy, in the policy's order.

        Raises:
            InvalidInputError: The policy cannot be used.
            DeniedError, RegistryError: A registry refused or failed.
        """
        from kitops_core.promotion.channels import channels

        return channels(self._session, policy)

    def history(
        self, channel: str, *, policy: types.PromotionPolicy | str | Path = "promotion.yaml"
    ) -> list[types.PromotionRecord]:
        """The promotions and rollbacks that moved a channel's tag, or all records of one kit; the last move first.

        A gap is named by the record after it, in ``gap``. A move that was overwritten at once, or that
        something else undid, is marked as ``overwritten``.

        Args:
            channel: A channel's name, or a reference to a kit.
            policy: The promotion policy, or the file it is in. Not needed for a kit.

        Raises:
            NotFoundError: There is no such channel or kit.
            InvalidInputError: The policy cannot be used.
            DeniedError, RegistryError: A registry refused or failed.
        """
        from kitops_core.promotion.history import history

        return history(self._session, channel, policy=policy)

    def prune(
        self, channel: str = "", *, policy: types.PromotionPolicy | str | Path = "promotion.yaml", dry_run: bool = True
    ) -> list[types.Prunable]:
        """Remove kits that were in a channel once and that its ``retention`` no longer keeps.

        A kit stays while any channel has it or may go back to it, while a tag that is not one of the channel's version
        tags points at it, and while a kit that stays was made from it. Only kits that a record shows to have been in
        the channel are looked at; in a channel that kits are pushed to, those that we pushed and that never came into
        any other, by the age of what is attached to them. Records stay, so that the history can be read.

        Args:
            channel: Only this channel; by default every channel that has ``retention``.
            policy: The promotion policy, or the file it is in.
            dry_run: Only say what would be removed.

        Returns:
            The kits that nothing needs, by channel, newest first.

        Raises:
            NotFoundError: There is no such channel.
            InvalidInputError: The policy cannot be used.
            DeniedError, RegistryError: A registry refused or failed.
        """
        from kitops_core.promotion.retention import prune

        return prune(self._session, channel, policy=policy, dry_run=dry_run)
