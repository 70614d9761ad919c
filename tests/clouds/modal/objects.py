"""Environments, secrets, volumes, images, mounts and bills at the loopback Modal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from modal_proto import api_pb2
from tests.clouds.modal.cloud import Cloud
from tests.clouds.modal.refusals import exists, invalid, not_found
from tests.clouds.modal.state import Image, Secret, Volume, new_id
from tests.clouds.modal.table import answers, streams

IMAGE_BUILDER = "2025.06"
_FAILS_IF_EXISTS = api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS
_UNNAMED = (api_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP, api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL)


@answers("ClientHello")
def hello(cloud: Cloud, request: Any) -> Any:
    """Say hello to whoever has a token."""
    del cloud, request
    return api_pb2.ClientHelloResponse()


@answers("WorkspaceNameLookup")
def workspace(cloud: Cloud, request: Any) -> Any:
    """Name the workspace."""
    del cloud, request
    return api_pb2.WorkspaceNameLookupResponse(workspace_name="ann", username="ann")


@answers("EnvironmentGetOrCreate")
def get_environment(cloud: Cloud, request: Any) -> Any:
    """Return an environment; none named is the workspace's own."""
    name = cloud.environment(request.deployment_name)
    settings = api_pb2.EnvironmentSettings(image_builder_version=IMAGE_BUILDER)
    metadata = api_pb2.EnvironmentMetadata(name=name, settings=settings)
    return api_pb2.EnvironmentGetOrCreateResponse(environment_id=f"en-{name}", metadata=metadata)


@answers("EnvironmentList")
def environments(cloud: Cloud, request: Any) -> Any:
    """Return all environments."""
    del request
    items = [api_pb2.EnvironmentListItem(name=name, environment_id=f"en-{name}") for name in cloud.environments]
    return api_pb2.EnvironmentListResponse(items=items)


@answers("SecretGetOrCreate")
def get_secret(cloud: Cloud, request: Any) -> Any:
    """Find a secret, or make it; existing values stay as they are."""
    environment = cloud.environment(request.environment_name)
    found = None
    if request.object_creation_type not in _UNNAMED:
        named = (one for one in cloud.secrets.values() if one.name == request.deployment_name)
        found = next((one for one in named if one.environment == environment), None)
        if found and request.object_creation_type == _FAILS_IF_EXISTS:
            raise exists(f"Secret {request.deployment_name!r}")
        if found is None and request.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED:
            raise not_found(f"Secret {request.deployment_name!r} in environment {environment!r}")
    if found is None:
        name = request.deployment_name
        found = Secret(new_id("st"), name, environment, dict(request.env_dict), cloud.clock())
        cloud.secrets[found.id] = found
    missing = [key for key in request.required_keys if key not in found.values]
    if missing:
        raise not_found(f"Secret {found.name!r} is missing key(s): {', '.join(missing)}: it")
    return api_pb2.SecretGetOrCreateResponse(secret_id=found.id, metadata=_secret_metadata(found))


@answers("SecretUpdate")
def update_secret(cloud: Cloud, request: Any) -> Any:
    """Merge values into a secret."""
    found = cloud.secrets.get(request.secret_id)
    if found is None:
        raise not_found(f"Secret {request.secret_id}")
    found.values |= {one.key: one.value for one in request.updates}


@answers("SecretList")
def secrets(cloud: Cloud, request: Any) -> Any:
    """Return the named secrets of an environment, newest first, a page of them."""
    environment, before = cloud.environment(request.environment_name), request.pagination.created_before
    found = [one for one in cloud.secrets.values() if one.environment == environment and one.name]
    found = sorted((one for one in found if not before or one.created_at < before), key=lambda one: -one.created_at)
    items = [
        api_pb2.SecretListItem(label=one.name, secret_id=one.id, metadata=_secret_metadata(one))
        for one in found[: request.pagination.max_objects]
    ]
    return api_pb2.SecretListResponse(items=items, environment_name=environment)


@answers("SecretDelete")
def delete_secret(cloud: Cloud, request: Any) -> Any:
    """Remove a secret."""
    if request.secret_id not in cloud.secrets:
        raise not_found(f"Secret {request.secret_id}")
    if not cloud.keeps():
        del cloud.secrets[request.secret_id]


@answers("VolumeGetOrCreate")
def get_volume(cloud: Cloud, request: Any) -> Any:
    """Find a volume, or make it."""
    environment = cloud.environment(request.environment_name)
    named = (one for one in cloud.volumes.values() if one.name == request.deployment_name)
    found = next((one for one in named if one.environment == environment), None)
    if found is None and request.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED:
        raise not_found(f"Volume {request.deployment_name!r} in environment {environment!r}")
    if found is None:
        found = Volume(new_id("vo"), request.deployment_name, environment, cloud.clock())
        cloud.volumes[found.id] = found
    info = api_pb2.CreationInfo(created_at=found.created_at, created_by="ann")
    metadata = api_pb2.VolumeMetadata(version=api_pb2.VOLUME_FS_VERSION_V1, name=found.name, creation_info=info)
    return api_pb2.VolumeGetOrCreateResponse(
        volume_id=found.id, version=api_pb2.VOLUME_FS_VERSION_V1, metadata=metadata
    )


@answers("VolumeCommit")
def commit_volume(cloud: Cloud, request: Any) -> Any:
    """Keep what a container has written."""
    if cloud.volumes.get(request.volume_id) is None:
        raise not_found(f"Volume {request.volume_id}")
    return api_pb2.VolumeCommitResponse()


@answers("VolumeReload")
def reload_volume(cloud: Cloud, request: Any) -> None:
    """Show a container what others have written."""
    if cloud.volumes.get(request.volume_id) is None:
        raise not_found(f"Volume {request.volume_id}")


@answers("VolumeDelete")
def delete_volume(cloud: Cloud, request: Any) -> Any:
    """Remove a volume."""
    if cloud.volumes.get(request.volume_id) is None:
        raise not_found(f"Volume {request.volume_id}")
    if not cloud.keeps():
        del cloud.volumes[request.volume_id]


@streams("VolumeListFiles", "VolumeListFiles2")
async def list_files(cloud: Cloud, request: Any) -> AsyncIterator[Any]:
    """Return the files below a path."""
    volume = cloud.volumes.get(request.volume_id)
    if volume is None:
        raise not_found(f"Volume {request.volume_id}")
    folder = request.path.strip("/")
    below = {path: size for path, size in volume.files.items() if path.startswith(f"{folder}/" if folder else "")}
    if folder and not below:
        raise not_found(f"Path {request.path!r} in the volume")
    entries = [api_pb2.FileEntry(path=path, size=size, type=api_pb2.FileEntry.FILE) for path, size in below.items()]
    if not request.recursive:
        entries = [one for one in entries if "/" not in one.path.removeprefix(folder).strip("/")]
    yield api_pb2.VolumeListFilesResponse(entries=entries)


@answers("ImageGetOrCreate")
def get_image(cloud: Cloud, request: Any) -> Any:
    """Begin to build an image, unless the same layer is there."""
    definition = request.image
    for one in definition.base_images:
        if not any(image.id == one.image_id and image.is_built for image in cloud.images.values()):
            raise not_found(f"Image {one.image_id}")
    if not definition.dockerfile_commands:
        raise invalid("an image needs commands")
    layer = definition.SerializeToString(deterministic=True)
    found = cloud.images.setdefault(layer, Image(new_id("im"), layer))
    result = api_pb2.GenericResult()
    if found.is_built:
        result.status = api_pb2.GenericResult.GENERIC_STATUS_SUCCESS
    return api_pb2.ImageGetOrCreateResponse(image_id=found.id, result=result, metadata=_image_metadata())


@streams("ImageJoinStreaming")
async def join_image(cloud: Cloud, request: Any) -> AsyncIterator[Any]:
    """Tell how a build goes, then how it ended."""
    found = next((image for image in cloud.images.values() if image.id == request.image_id), None)
    if found is None:
        raise not_found(f"Image {request.image_id}")
    fails, says = cloud.build_failure, ("Step 1/9 : FROM base", "Step 2/9 : RUN true")
    found.lines = (*says, *fails)
    for number, text in enumerate(found.lines):
        log = api_pb2.TaskLogs(data=f"{text}\n", file_descriptor=api_pb2.FILE_DESCRIPTOR_STDOUT)
        yield api_pb2.ImageJoinStreamingResponse(task_logs=[log], entry_id=f"{number}-0")
    if fails:
        failed = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_FAILURE)
        yield api_pb2.ImageJoinStreamingResponse(result=failed)
        return
    found.is_built = True
    built = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
    yield api_pb2.ImageJoinStreamingResponse(result=built, metadata=_image_metadata(), eof=True)


@answers("MountGetOrCreate")
def get_mount(cloud: Cloud, request: Any) -> Any:
    """Return Modal's own mounts (Python, its client), or one whose files were put."""
    del cloud
    name = request.deployment_name or "local"
    return api_pb2.MountGetOrCreateResponse(mount_id=f"mo-{name}", handle_metadata=api_pb2.MountHandleMetadata())


@answers("MountBatchedCheckExistence")
def check_mounts(cloud: Cloud, request: Any) -> Any:
    """Say that every file must be put."""
    del cloud
    return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=list(request.sha256_hex_hashes))


@answers("MountPutFile")
def put_file(cloud: Cloud, request: Any) -> Any:
    """Take a file."""
    del cloud, request
    return api_pb2.MountPutFileResponse(exists=True)


@answers("WorkspaceBillingRates")
def rates(cloud: Cloud, request: Any) -> Any:
    """Return the prices."""
    del request
    return api_pb2.WorkspaceBillingRatesResponse(rates=cloud.rates)


@streams("EnvironmentBillingReport", "WorkspaceBillingReport")
async def report(cloud: Cloud, request: Any) -> AsyncIterator[Any]:
    """Return what was billed, by app and hour; whole hours only."""
    for app_id, cost in cloud.bills.items():
        app = cloud.app(app_id)
        if request.start_timestamp.seconds - 3600 <= app.created_at:
            item = api_pb2.WorkspaceBillingReportItem(
                object_id=app_id, description=app.description, cost=cost, tags=app.tags
            )
            item.interval.FromSeconds(int(app.created_at))
            yield item


def _secret_metadata(secret: Secret) -> Any:
    info = api_pb2.CreationInfo(created_at=secret.created_at, created_by="ann")
    return api_pb2.SecretMetadata(
        name=secret.name, creation_info=info, keys=sorted(secret.values), environment_name=secret.environment
    )


def _image_metadata() -> Any:
    return api_pb2.ImageMetadata(image_builder_version=IMAGE_BUILDER)
