"""Apps, functions and classes at the loopback Modal."""

from __future__ import annotations

from typing import Any

from modal_proto import api_pb2
from tests.clouds.modal.cloud import Cloud
from tests.clouds.modal.refusals import invalid, not_found
from tests.clouds.modal.state import App, Function
from tests.clouds.modal.table import answers

_PAGE = "https://modal.invalid/apps"


@answers("AppCreate")
def create(cloud: Cloud, request: Any) -> Any:
    """Make an app; it has no name until it is published."""
    app = App(request.description, cloud.environment(request.environment_name), cloud.clock(), tags=dict(request.tags))
    app.state = request.app_state or api_pb2.APP_STATE_INITIALIZING
    cloud.apps[app.id] = app
    return api_pb2.AppCreateResponse(app_id=app.id, app_page_url=f"{_PAGE}/{app.id}")


@answers("AppGetByDeploymentName")
def by_deployment_name(cloud: Cloud, request: Any) -> Any:
    """Return the deployed app of a name, or nothing."""
    found = cloud.deployed(request.name, cloud.environment(request.environment_name))
    return api_pb2.AppGetByDeploymentNameResponse(app_id=found.id if found else "")


@answers("AppGetOrCreate")
def look_up(cloud: Cloud, request: Any) -> Any:
    """Return an app by its name, or by its id, also a stopped one."""
    environment = cloud.environment(request.environment_name)
    found = cloud.apps.get(request.app_name) or cloud.deployed(request.app_name, environment)
    if found is None:
        raise not_found(f"App {request.app_name!r} in environment {environment!r}")
    return api_pb2.AppGetOrCreateResponse(app_id=found.id, handle_metadata=metadata(found))


@answers("AppGetInfo")
def info(cloud: Cloud, request: Any) -> Any:
    """Return an app's life."""
    return api_pb2.AppGetInfoResponse(info=metadata(cloud.app(request.app_id)))


@answers("AppGetLayout")
def layout(cloud: Cloud, request: Any) -> Any:
    """Return what the app is made of."""
    app = cloud.app(request.app_id)
    found = api_pb2.AppLayout(function_ids=app.functions, class_ids=app.classes)
    return api_pb2.AppGetLayoutResponse(app_layout=found)


@answers("AppList")
def listed(cloud: Cloud, request: Any) -> Any:
    """Return the apps of an environment: stopped ones are among them for a while, as at Modal."""
    environment = cloud.environment(request.environment_name)
    items = [
        api_pb2.AppListResponse.AppListItem(
            app_id=app.id, name=app.name, description=app.description, state=app.state, metadata=metadata(app)
        )
        for app in cloud.apps.values()
        if app.environment == environment
    ]
    return api_pb2.AppListResponse(apps=items)


@answers("AppSetTags")
def set_tags(cloud: Cloud, request: Any) -> Any:
    """Replace an app's tags."""
    cloud.app(request.app_id).tags = dict(request.tags)


@answers("AppGetTags")
def get_tags(cloud: Cloud, request: Any) -> Any:
    """Return an app's tags."""
    return api_pb2.AppGetTagsResponse(tags=cloud.app(request.app_id).tags)


@answers("AppHeartbeat")
def heartbeat(cloud: Cloud, request: Any) -> None:
    """Hear that a client lives."""
    cloud.app(request.app_id)


@answers("AppClientDisconnect")
async def disconnect(cloud: Cloud, request: Any) -> None:
    """End an app that lives only as long as its client; a deployed one stays."""
    app = cloud.app(request.app_id)
    if app.is_alive and app.state != api_pb2.APP_STATE_DEPLOYED:
        await cloud.stop_app(app)


@answers("AppStop")
async def stop(cloud: Cloud, request: Any) -> None:
    """Begin to end an app; answered at once."""
    app = cloud.app(request.app_id)
    if app.id in cloud.unstoppable:
        return
    if app.is_alive:
        cloud.stop_soon(app)


@answers("AppPublish")
async def publish(cloud: Cloud, request: Any) -> Any:
    """Make what was created the app's new version; a deployment takes the name from whoever has it."""
    app = cloud.app(request.app_id)
    if not app.is_alive:
        raise invalid(f"App {app.id} is stopped")
    app.state, app.tags = request.app_state, dict(request.tags)
    app.functions, app.classes = dict(request.function_ids), dict(request.class_ids)
    if request.app_state == api_pb2.APP_STATE_DEPLOYED:
        app.name = request.name
        app.version += 1
        app.deployed_at = cloud.clock()
    await cloud.running.roll_out(app)
    return api_pb2.AppPublishResponse(url=f"{_PAGE}/{app.id}", deployed_at=app.deployed_at)


@answers("FunctionPrecreate")
def precreate(cloud: Cloud, request: Any) -> Any:
    """Give a function its id."""
    function = cloud.function_of(request.app_id, request.function_name)
    return api_pb2.FunctionPrecreateResponse(function_id=function.id)


@answers("FunctionCreate")
async def create_function(cloud: Cloud, request: Any) -> Any:
    """Take a function's definition, if all that it names exists."""
    definitions = definitions_of(request)
    for one in definitions:
        _judge(cloud, one)
    function = cloud.function_of(request.app_id, definitions[0].function_name)
    function.definitions = definitions
    if any(method.webhook_config.type for method in function.definition.method_definitions.values()):
        await cloud.running.open(cloud.app(request.app_id))
    return api_pb2.FunctionCreateResponse(
        function_id=function.id, function_data=_data(function), handle_metadata=_handle(cloud, function)
    )


@answers("FunctionGet")
def get_function(cloud: Cloud, request: Any) -> Any:
    """Find a function of a deployed app."""
    app = cloud.deployed(request.app_name, cloud.environment(request.environment_name))
    found = cloud.functions.get(app.functions.get(request.object_tag, "")) if app else None
    if found is None:
        raise not_found(f"Function {request.object_tag!r} of app {request.app_name!r}")
    handle = _handle(cloud, found)
    return api_pb2.FunctionGetResponse(function_id=found.id, handle_metadata=handle, function=_data(found))


@answers("ClassCreate")
def create_class(cloud: Cloud, request: Any) -> Any:
    """Give a class its id."""
    return api_pb2.ClassCreateResponse(class_id=cloud.app(request.app_id).id.replace("ap-", "cs-"))


@answers("ClassGet")
def get_class(cloud: Cloud, request: Any) -> Any:
    """Find a class of a deployed app."""
    app = cloud.deployed(request.app_name, cloud.environment(request.environment_name))
    if app is None or request.object_tag not in app.classes:
        raise not_found(f"Class {request.object_tag!r} of app {request.app_name!r}")
    return api_pb2.ClassGetResponse(class_id=app.classes[request.object_tag])


@answers("FunctionGetCurrentStats")
def stats(cloud: Cloud, request: Any) -> Any:
    """Say how many containers are up, and how many requests wait for one."""
    function = cloud.functions.get(request.function_id)
    if function is None:
        raise not_found(f"Function {request.function_id}")
    up, waiting = cloud.running.counts(function.app_id)
    return api_pb2.FunctionStats(num_total_tasks=up, backlog=waiting)


def metadata(app: App) -> Any:
    """Return what handles know of an app."""
    life = api_pb2.AppLifecycle(
        app_state=app.state,
        created_at=app.created_at,
        created_by="ann",
        deployed_at=app.deployed_at,
        version=app.version,
        stopped_at=app.stopped_at,
        stopped_by="ann" if app.stopped_at else "",
    )
    return api_pb2.AppHandleMetadata(
        description=app.description,
        app_id=app.id,
        environment_name=app.environment,
        lifecycle=life,
        functions=app.functions,
    )


def definitions_of(request: Any) -> list[Any]:
    """Return what a request says of its function: once for each GPU that it may run on, the preferred one first."""
    ranked = [one.function for one in request.function_data.ranked_functions]
    return ranked or [request.function]


def _judge(cloud: Cloud, definition: Any) -> None:
    gpu = definition.resources.gpu_config.gpu_type
    if gpu and gpu not in cloud.gpus:
        raise invalid(f"Invalid GPU type: {gpu!r}. Known types are {', '.join(sorted(cloud.gpus))}")
    for secret_id in definition.secret_ids:
        if secret_id not in cloud.secrets:
            raise not_found(f"Secret {secret_id}")
    for mount in definition.volume_mounts:
        if mount.volume_id not in cloud.volumes:
            raise not_found(f"Volume {mount.volume_id}")
    if not any(image.id == definition.image_id and image.is_built for image in cloud.images.values()):
        raise not_found(f"Image {definition.image_id}")


def _data(function: Function) -> Any:
    numbered = enumerate(function.definitions)
    ranked = [api_pb2.FunctionData.RankedFunction(rank=rank, function=one) for rank, one in numbered]
    return api_pb2.FunctionData(function_name=function.name, ranked_functions=ranked)


def _handle(cloud: Cloud, function: Function) -> Any:
    url = cloud.running.url_of(function.app_id) or ""
    methods = {
        name: api_pb2.FunctionHandleMetadata(
            function_name=one.function_name,
            web_url=url if one.webhook_config.type else "",
            is_method=True,
            use_method_name=name,
        )
        for name, one in function.definition.method_definitions.items()
    }
    return api_pb2.FunctionHandleMetadata(
        function_name=function.name,
        function_type=function.definition.function_type,
        method_handle_metadata=methods,
        supported_input_formats=[api_pb2.DATA_FORMAT_PICKLE],
        supported_output_formats=[api_pb2.DATA_FORMAT_PICKLE],
    )
