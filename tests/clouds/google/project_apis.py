"""The APIs about the project itself: which are on, who may what, quotas, logs and figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.clouds.google.image_apis import done
from tests.clouds.google.state import Books, Json, RefusedError, Request

_CLAUSE = re.compile(r'([A-Za-z_.]+)(>=|=)"([^"]*)"')
_PAGE = 5


def get_project(books: Books, asked: Request) -> Json:
    """Return the project."""
    del asked
    return {"name": f"projects/{books.number}", "projectId": books.project, "state": "ACTIVE"}


def test_permissions(books: Books, asked: Request) -> Json:
    """Return which of the permissions the caller has."""
    return {"permissions": [one for one in asked.json["permissions"] if one not in books.lacking]}


def batch_get(books: Books, asked: Request) -> Json:
    """Return which APIs are on."""
    names = [one.rpartition("/")[2] for one in asked.query.get("names", [])]
    return {"services": [_api(books, one) for one in names]}


def batch_enable(books: Books, asked: Request) -> Json:
    """Enable APIs."""
    books.apis |= {one.partition(".")[0] for one in asked.json["serviceIds"]}
    return done(books)


def quota_infos(books: Books, asked: Request) -> Json:
    """Return the quotas, as Cloud Quotas does (from memory, no description at hand)."""
    del asked
    infos = [
        {"quotaId": key, "dimensionsInfos": [{"details": {"value": str(value)}}]} for key, value in books.quotas.items()
    ]
    return {"quotaInfos": infos}


def time_series(books: Books, asked: Request) -> Json:
    """Return what is counted of a service, as Cloud Monitoring does (from memory, no description at hand)."""
    words = {key: value for key, _, value in _CLAUSE.findall(asked.one("filter"))}
    counted = books.counted.get(words["resource.labels.service_name"])
    if counted is None:
        return {}
    kind = "int64Value" if words["metric.type"].endswith("instance_count") else "doubleValue"
    value: object = str(counted) if kind == "int64Value" else 60.0 * counted
    return {"timeSeries": [{"points": [{"value": {kind: value}}, {"value": {kind: value}}]}]}


def list_entries(books: Books, asked: Request) -> Json:
    """Return log entries: equal labels, a least time, an order, small pages."""
    words = asked.json["filter"]
    unknown = _CLAUSE.sub("", words).replace('NOT log_id("run.googleapis.com/requests")', "").replace("AND", "").strip()
    if unknown:
        raise RefusedError(400, f"Unparseable filter: {unknown}")
    is_wanted = _all_of(_CLAUSE.findall(words))
    found = [one for one in list(books.entries) if is_wanted(one) and "requests" not in one["logName"]]
    found.sort(key=lambda one: str(one["timestamp"]), reverse=asked.json.get("orderBy") == "timestamp desc")
    begin = int(asked.json.get("pageToken", "0"))
    end = begin + min(_PAGE, asked.json.get("pageSize", _PAGE))
    return {"entries": found[begin:end], **({"nextPageToken": str(end)} if end < len(found) else {})}


def _all_of(clauses: list[tuple[str, str, str]]) -> Callable[[Json], bool]:
    def is_wanted(entry: Json) -> bool:
        for key, sign, value in clauses:
            found: Any = entry
            for part in key.split("."):
                found = found.get(part, {})
            if not (str(found) >= value if sign == ">=" else found == value):
                return False
        return True

    return is_wanted


def _api(books: Books, name: str) -> Json:
    state = "ENABLED" if name.partition(".")[0] in books.apis else "DISABLED"
    return {"name": f"projects/{books.number}/services/{name}", "parent": f"projects/{books.number}", "state": state}
