"""``kitops manifests``."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path

import click

from kitops_core.cli.options import kit_argument, label_option, new_command
from kitops_core.cli.output import answer_json, answer_text, note
from kitops_core.cli.settings import Settings
from kitops_core.serving.manifests.kinds import KINDS, KSERVE_MODES


@new_command("manifests", network=True)
@click.argument("kind", type=click.Choice(list(KINDS)))
@kit_argument()
@label_option
@click.option("-n", "--namespace", default="", help="The namespace.")
@click.option("--name", default="", help="The name of everything made (default: the kit's).")
@click.option(
    "--image", envvar="KITOPS_IMAGE", help="The image with kitops, from deploy/Dockerfile (default: $KITOPS_IMAGE)."
)
@click.option("--server-image", default="", help="The server's image, where it is not the kind's own.")
@click.option("--pull-secret", default="", help="A docker-registry Secret, to pull images and kits with.")
@click.option("--key-secret", default="", help="A Secret with cosign.pub; to sign also cosign.key and cosign.password.")
@click.option("--claim", default="", help="A PersistentVolumeClaim: with the files to pack, or for the models.")
@click.option(
    "--kserve",
    type=click.Choice(list(KSERVE_MODES)),
    default="kit",
    show_default=True,
    help="How KServe gets the kit: by our initializer, or its image by a volume or by KServe's own.",
)
@click.option("--to", help="The channel that promote-cronjob promotes into (default: staging).")
@click.option("--schedule", help="When promote-cronjob does, as cron writes it (default: 17 * * * *).")
@click.option(
    "-p",
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its promotion.yaml (default: one with dev and staging).",
)
def command(
    settings: Settings,
    kind: str,
    reference: str,
    namespace: str,
    name: str,
    image: str | None,
    server_image: str,
    pull_secret: str,
    key_secret: str,
    claim: str,
    kserve: str,
    to: str | None,
    schedule: str | None,
    policy: Path | None,
    as_json: bool,
) -> None:
    """Print the Kubernetes manifests that pack, promote or serve the ModelKit REFERENCE.

    A tag is resolved now, and the manifests name the digest. Nothing is applied: pipe them to `kubectl apply -f -`, or
    keep them with the rest of a deployment.
    """
    from kitops_core.cli.transfer import connect
    from kitops_core.serving.manifests.choices import DEFAULT_IMAGE, ManifestOptions
    from kitops_core.serving.manifests.fill import Promoting
    from kitops_core.serving.manifests.write import to_yaml

    given = {"to": to, "schedule": schedule, "policy": policy}
    if kind != "promote-cronjob" and any(value is not None for value in given.values()):
        raise click.UsageError("--to, --schedule and --policy are for promote-cronjob.")
    promoting = Promoting(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
    options = ManifestOptions(name, image or DEFAULT_IMAGE, namespace, pull_secret, key_secret, claim, server_image)
    with connect(settings) as client:
        objects = client.manifests(kind, reference, options=options, kserve=kserve, promoting=promoting)
    text = to_yaml(objects)
    if image is None and f"image: {DEFAULT_IMAGE}\n" in text:
        note(settings, f"the image is called {DEFAULT_IMAGE}: name yours with --image or $KITOPS_IMAGE")
    if as_json:
        answer_json({"apiVersion": "v1", "kind": "List", "items": objects})
    else:
        answer_text(text)


_ABOUT = "\n".join(f"{kind:<17}{what}" for kind, what in KINDS.items())
command.help = f"{cleandoc(command.help or '')}\n\n\b\n{_ABOUT}"
