"""`plexctl image build` and `plexctl image list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from plexctl import config
from plexctl.cli.options import ConfigFile, DryRun, Json
from plexctl.cli.sessions import open_session
from plexctl.errors import UsageError
from plexctl.flows.session import Session
from plexctl.output import Output

if TYPE_CHECKING:
    from plexctl.flows.images import Built, Order
    from plexctl.spec import Spec

_ACTIONS = ("build", "list")


def image(  # noqa: PLR0913 - a command's signature is its flags
    action: Annotated[str, typer.Argument(metavar="build|list", help="Build the image, or list those built here.")],
    profile: Annotated[str | None, typer.Option("--profile", help="cu121, cu128, cu128-aarch64 or echo.")] = None,
    gpu: Annotated[str | None, typer.Option("--gpu", help="GPU to build for; says the profile.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="personaplex or echo.")] = None,
    repository: Annotated[str | None, typer.Option("--repository", help="Where to push, without a tag.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Tag; profile and version when left out.")] = None,
    base: Annotated[str | None, typer.Option("--base", metavar="IMAGE", help="Image to build on.")] = None,
    push: Annotated[bool, typer.Option("--push", help="Push it with your own login.")] = False,  # noqa: FBT002
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Build every step anew.")] = False,  # noqa: FBT002
    config_file: ConfigFile = None,
    dry_run: DryRun = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Build the container image, push it, or list those built: `image build`."""
    from plexctl.flows.images import Order
    from plexctl.images import profile_of
    from plexctl.nearest import nearest

    if action not in _ACTIONS:
        raise UsageError(f"image cannot {action!r}{nearest(action, _ACTIONS)}", hint="plexctl image build")
    output = Output(as_json)
    session = open_session(output)
    if action == "list":
        _list(output, session)
        return
    flags = {
        "engine": engine,
        "image.profile": profile,
        "image.repository": repository,
        "image.base": base,
    }
    spec = config.load_spec(session.environ, flags, config_file)
    order = Order(profile_of(spec, _known_gpu(gpu)), tag, push=push, use_cache=not no_cache)
    if dry_run:
        _show_plan(output, spec, order)
        return
    _build(output, session, spec, order)


def _known_gpu(gpu: str | None) -> str | None:
    """Return the name of a GPU. Raises UsageError, with the nearest one, for a name that nobody knows."""
    from plexctl.gpus import find, matching

    return None if gpu is None else (matching(gpu) or [find(gpu)])[0].name


def _build(output: Output, session: Session, spec: Spec, order: Order) -> None:
    from plexctl.flows import images

    built = images.build(session, spec, order)
    data = built.to_dict()
    words = "built" if built.changed else "unchanged"
    output.line(f"{words}: {data['tag']} ({_megabytes(built)} MB, {data['seconds']} s)")
    output.line(f"  id {data['id']}")
    if built.pushed:
        output.line(f"  pushed as {data['image']}: deploys use it from now on")
    output.document("image", data)


def _megabytes(built: Built) -> int:
    return round(built.image.size_bytes / 1_000_000)


def _show_plan(output: Output, spec: Spec, order: Order) -> None:
    from plexctl.flows.images import lay_out

    planned = lay_out(spec, order)
    base = planned.build_args.get("BASE_IMAGE", "the profile's own base")
    output.line(f"would build {planned.names[0]} for {planned.profile.name} on {base}, of {len(planned.files)} files")
    for name in planned.names[1:]:
        output.line(f"would {'push' if order.push else 'name'} it {name}")
    output.line("nothing was done (--dry-run)")
    output.document(
        "image",
        {
            "dry_run": True,
            "changed": False,
            "image": planned.names[-1],
            "profile": planned.profile.name,
            "context": planned.context,
            "files": sorted(planned.files),
            "pushed": False,
            "repository": spec.image.repository,
        },
    )


def _list(output: Output, session: Session) -> None:
    from plexctl.flows import images

    found = [images.image_dict(one) for one in images.recorded(session)]
    columns = ("profile", "tag", "digest", "built_at", "pushed_at")
    output.table([name.upper() for name in columns], [[str(one[name] or "-") for name in columns] for one in found])
    output.document("image", {"images": found})
