"""Objects to files and back, safely: what is loaded from a kit runs no code that the kit brings."""

from __future__ import annotations

from dagster_kitops.serializers.registry import Saved as Saved
from dagster_kitops.serializers.registry import Serializer as Serializer
from dagster_kitops.serializers.registry import check_serializer as check_serializer
from dagster_kitops.serializers.registry import load_object as load_object
from dagster_kitops.serializers.registry import register_serializer as register_serializer
from dagster_kitops.serializers.registry import save_object as save_object
from dagster_kitops.serializers.registry import serializer_of as serializer_of
