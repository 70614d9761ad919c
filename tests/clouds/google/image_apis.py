"""Artifact Registry and Cloud Build. A build ends when it is looked at, or when the clock says so."""

from __future__ import annotations

import gzip
import io
import tarfile
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

from tests.clouds.google.state import Books, Json, RefusedError, Request
from tests.clouds.google.store_apis import page

_REGISTRY = "-docker.pkg.dev/"


def done(books: Books, response: Json | None = None, error: Json | None = None) -> Json:
    """Return an operation that is over at its second look."""
    name = f"operations/{uuid4().hex}"
    books.operations[name] = {
        "name": name,
        "done": True,
        **({"error": error} if error else {"response": response or {}}),
    }
    return {"name": name, "done": False}


def get_operation(books: Books, asked: Request) -> Json:
    """Return how far one is."""
    name = f"operations/{asked.params['operationsId']}"
    if name not in books.operations:
        raise RefusedError(404, f"operation {name} not found")
    return books.operations[name]


def create_repository(books: Books, asked: Request) -> Json:
    """Make a repository."""
    name = f"{_location(books, asked)}/repositories/{asked.one('repositoryId')}"
    if name in books.repositories:
        raise RefusedError(409, "the repository already exists")
    books.repositories[name] = {"name": name, **asked.json}
    return _regional(books, asked, done(books, books.repositories[name]))


def get_repository(books: Books, asked: Request) -> Json:
    """Return one."""
    return books.repositories[_repository(books, asked)]


def list_repositories(books: Books, asked: Request) -> Json:
    """List those of a region."""
    parent = f"{_location(books, asked)}/"
    return page(
        books, "repositories", [one for name, one in books.repositories.items() if name.startswith(parent)], asked
    )


def delete_repository(books: Books, asked: Request) -> Json:
    """Delete one, images and all."""
    name = _repository(books, asked)
    del books.repositories[name]
    for package in [one for one in books.tags if one.startswith(f"{name}/")]:
        del books.tags[package]
    return _regional(books, asked, done(books))


def get_package(books: Books, asked: Request) -> Json:
    """Return an image's package."""
    return {"name": _package(books, asked)}


def list_packages(books: Books, asked: Request) -> Json:
    """List the packages of a repository."""
    parent = f"{_repository(books, asked)}/"
    return page(books, "packages", [{"name": name} for name in books.tags if name.startswith(parent)], asked)


def delete_package(books: Books, asked: Request) -> Json:
    """Delete an image with all its versions."""
    del books.tags[_package(books, asked)]
    return _regional(books, asked, done(books))


def get_tag(books: Books, asked: Request) -> Json:
    """Return which version a tag means."""
    package, tag = _package(books, asked), asked.params["tagsId"]
    if tag not in books.tags[package]:
        raise RefusedError(404, f"Tag {tag} was not found")
    return {"name": f"{package}/tags/{tag}", "version": f"{package}/versions/{books.tags[package][tag]}"}


def create_build(books: Books, asked: Request, now: float, failure: Json | None) -> Json:
    """Begin a build; it must find its source."""
    one: Json = {
        **asked.json,
        "id": str(uuid4()),
        "status": "QUEUED",
        "createTime": datetime.fromtimestamp(now, UTC).isoformat(),
        "_fails": failure,
    }
    books.builds[one["id"]] = one
    return {"name": f"operations/build/{books.project}/{one['id']}", "metadata": {"build": shown(one)}}


def get_build(books: Books, asked: Request) -> Json:
    """Return a build; each look brings it on by a step."""
    one = books.builds.get(asked.params["id"])
    if one is None:
        raise RefusedError(404, "build not found")
    if one["status"] == "QUEUED":
        one["status"] = "WORKING"
    elif one["status"] == "WORKING":
        _finish(books, one)
    return shown(one)


def list_builds(books: Books, asked: Request) -> Json:
    """List those with a tag."""
    tag = asked.one("filter").removeprefix('tags="').removesuffix('"')
    return page(books, "builds", [shown(one) for one in books.builds.values() if tag in one.get("tags", ())], asked)


def cancel_build(books: Books, asked: Request) -> Json:
    """End one."""
    one = books.builds[asked.params["id"]]
    one["status"] = "CANCELLED"
    return shown(one)


def shown(one: Json) -> Json:
    """Return a build without what is only ours."""
    return {key: value for key, value in one.items() if not key.startswith("_")}


def log_entry(books: Books, build_id: str, text: str, now: float) -> None:
    """Let a build say something."""
    books.entries.append(
        {
            "logName": f"projects/{books.project}/logs/cloudbuild",
            "resource": {"type": "build", "labels": {"build_id": build_id}},
            "timestamp": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
            "insertId": uuid4().hex,
            "textPayload": text,
        }
    )


def _finish(books: Books, one: Json) -> None:
    if one["_fails"]:
        one.update(status="FAILURE", failureInfo={"type": "USER_BUILD_STEP", "detail": one["_fails"]["detail"]})
        return
    source = one["source"]["storageSource"]
    content = books.objects.get(source["bucket"], {}).get(source["object"])
    if content is None:
        one.update(status="FAILURE", failureInfo={"type": "FETCH_SOURCE_FAILED", "detail": "the source is not there"})
        return
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
        assert "Dockerfile" in archive.getnames()
    for image in one["images"]:
        place, _, tag = image.partition(":")
        region, _, path = place.partition(_REGISTRY)
        project, repository, package = path.split("/")
        name = f"projects/{project}/locations/{region}/repositories/{repository}"
        if name not in books.repositories:
            one.update(status="FAILURE", failureInfo={"type": "PUSH_FAILED", "detail": "no such repository"})
            return
        books.tags.setdefault(f"{name}/packages/{package}", {})[tag] = f"sha256:{sha256(content).hexdigest()}"
    one["status"] = "SUCCESS"


def has_image(books: Books, image: str) -> bool:
    """Tell whether the registry has an image, named by digest; other registries' are there."""
    if _REGISTRY not in image:
        return True
    place, _, digest = image.partition("@")
    region, _, path = place.partition(_REGISTRY)
    project, repository, package = path.split("/")
    name = f"projects/{project}/locations/{region}/repositories/{repository}/packages/{package}"
    return digest in books.tags.get(name, {}).values()


def _regional(books: Books, asked: Request, operation: Json) -> Json:
    name = operation["name"]
    regional = f"{_location(books, asked)}/{name}"
    books.operations[name]["name"] = regional
    return {**operation, "name": regional}


def _location(books: Books, asked: Request) -> str:
    return f"projects/{books.project}/locations/{asked.params['locationsId']}"


def _repository(books: Books, asked: Request) -> str:
    name = f"{_location(books, asked)}/repositories/{asked.params['repositoriesId']}"
    if name not in books.repositories:
        raise RefusedError(404, "Requested entity was not found.")
    return name


def _package(books: Books, asked: Request) -> str:
    name = f"{_repository(books, asked)}/packages/{asked.params['packagesId']}"
    if name not in books.tags:
        raise RefusedError(404, "Requested entity was not found.")
    return name
