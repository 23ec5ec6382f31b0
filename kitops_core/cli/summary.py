"""The help of ``kitops`` itself. It is plain text, and imports nothing, so that it is there at once."""

from __future__ import annotations

_GROUPS = {
    "Make and move kits": {
        "init": "Write a Kitfile from what is in a directory",
        "pack": "Pack a directory as a ModelKit",
        "import": "Make a ModelKit of a repository of the Hugging Face Hub, or of MLflow",
        "push": "Send a ModelKit from the local store to a registry",
        "pull": "Fetch a ModelKit from a registry into the local store",
        "unpack": "Put a ModelKit's files, or some of them, into a directory",
        "materialize": "Make a directory that a server can load",
        "tag": "Give a ModelKit further names",
        "remove": "Remove ModelKits or their tags",
        "index": "Make and show ModelKit indexes: one reference over the variants of a model",
    },
    "Look at kits": {
        "list": "List the ModelKits of the local store or of a repository",
        "info": "Show a ModelKit's Kitfile",
        "inspect": "Show a ModelKit's manifest and Kitfile as JSON",
        "diff": "Say what differs between two ModelKits",
        "lineage": "Show what a ModelKit was made from",
        "catalog": "Write pages about all ModelKits of a registry, or of a part of it",
        "bom": "Write a ModelKit's bill of materials (CycloneDX)",
        "referrers": "Show what is attached to a ModelKit",
    },
    "Sign, verify and state": {
        "attach": "Attach a file to a ModelKit",
        "attest": "Attach a statement about a ModelKit, signed or not",
        "sign": "Sign a ModelKit",
        "verify": "Verify a ModelKit's signatures or attestations",
        "generate-key-pair": "Make a key pair to sign with",
    },
    "Promote": {
        "promote": "Promote a ModelKit into a channel, through the channel's gates",
        "approve": "Approve a ModelKit for a channel",
        "rollback": "Promote the ModelKit again that a channel had before",
        "channels": "Show what is in each channel",
        "history": "Show what was promoted into a channel",
        "prune": "Remove ModelKits that channels no longer need",
    },
    "Serve in Kubernetes": {
        "image": "Make a container image of a ModelKit, over its own layers",
        "manifests": "Print Kubernetes manifests that pack, promote or serve a ModelKit",
    },
    "This machine": {
        "login": "Log in to a registry",
        "logout": "Forget the credentials of a registry",
        "gc": "Free the space of blobs that no ModelKit needs",
        "cache": "Show or clear what is known of layers packed before",
        "skill": "Write a skill that teaches an agent this command",
        "completion": "Print the completion script for a shell",
        "version": "Show the version",
    },
}
COMMANDS = {name: line for group in _GROUPS.values() for name, line in group.items()}
"""Every command and its one line of help. The module of the same name in ``commands`` has the command."""

_HELP = """\
Usage: kitops [OPTIONS] COMMAND [ARGS]...

  Pack, push, pull, unpack, sign and promote KitOps ModelKits, with any OCI registry.

  $ kitops init my-model
  $ kitops pack --from my-model --tag registry.example.com/ml/my-model:1.0 --push
  $ kitops unpack registry.example.com/ml/my-model:1.0 --dir out --filter model

  A reference is registry/repository:tag or registry/repository@sha256:...; a name:tag
  without a registry, which only means the local store; or oci:PATH:tag, a directory.

{commands}

Options, before or after the command:
  --config DIRECTORY     The local store's directory (default: $KITOPS_HOME)
  --progress MODE        none, plain or fancy (default: fancy on a terminal, else plain)
  --log-level LEVEL      trace, debug, info, warn or error (default: info)
  -v, --verbose          Show more; the same as --log-level debug
  --version              Show the version and exit
  -h, --help             Show this help, or with a command that command's

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 unusable input, 4 not found, 5 denied,
6 altered or unsafe content, 7 registry failed, 8 conflict, 9 gate refused, 10 lost race,
11 stored but not listed for other tools, 130 cancelled.
"""


def help_text() -> str:
    """What ``kitops --help`` writes."""
    groups = [
        "\n".join([f"{title}:", *(f"  {name:<19}{line}" for name, line in group.items())])
        for title, group in _GROUPS.items()
    ]
    return _HELP.format(commands="\n\n".join(groups))
