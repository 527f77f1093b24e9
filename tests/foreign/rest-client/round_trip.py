"""A round trip by clients that openapi-python-client made of Depot's two OpenAPI documents: create, read, replace, patch, delete.

COMMAND_URL and QUERY_URL are the two APIs, TOKEN is a bearer token with the role writer.
"""

import os
import sys
import uuid
from http import HTTPStatus
from typing import Any, TypeVar

import httpx

from depot_command_api import AuthenticatedClient as CommandClient
from depot_command_api.api.items import create_item, delete_item, patch_item, replace_item
from depot_command_api.models import ItemBody, ItemContentBody, ItemContentBodyAttributes, ItemPatchBody
from depot_command_api.models import Problem as CommandProblem
from depot_command_api.types import Response as CommandResponse
from depot_query_api import AuthenticatedClient as QueryClient
from depot_query_api.api.items import list_items, show_item
from depot_query_api.models import ItemPage, ItemView
from depot_query_api.models import Problem as QueryProblem
from depot_query_api.types import Response as QueryResponse

T = TypeVar("T")


def expect(answer: CommandResponse[Any] | QueryResponse[Any], status: HTTPStatus, kind: type[T]) -> T:
    """What was answered, as the type that the document promises for that status."""
    if answer.status_code != status or not isinstance(answer.parsed, kind):
        sys.exit(f"error: {status} with a {kind.__name__} was expected: {answer.status_code} {answer.content!r}")
    return answer.parsed


def require(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"error: {what}")


def tag_of(answer: CommandResponse[Any] | QueryResponse[Any]) -> str:
    """The entity tag as it was sent, which is what If-Match takes."""
    return answer.headers["etag"]


def version_of(tag: str) -> str:
    """The version token in an entity tag of the command API, which is what `min_version` takes: opaque text."""
    return tag.strip('"')


def main() -> None:
    token = os.environ["TOKEN"]
    # Longer than any wait that is asked for below.
    patience = httpx.Timeout(60)
    command = CommandClient(base_url=os.environ["COMMAND_URL"], token=token, timeout=patience)
    query = QueryClient(base_url=os.environ["QUERY_URL"], token=token, timeout=patience)

    # Created once, however often it is sent under its key.
    content = ItemContentBody(name="A kite", tags=["red"], attributes=ItemContentBodyAttributes.from_dict({"metres": 2}))
    key = str(uuid.uuid4())
    created = create_item.sync_detailed(client=command, body=content, idempotency_key=key)
    item = expect(created, HTTPStatus.CREATED, ItemBody)
    again = create_item.sync_detailed(client=command, body=content, idempotency_key=key)
    require(expect(again, HTTPStatus.CREATED, ItemBody) == item, "a repeat under the same key got another answer")
    require(again.headers.get("idempotency-replayed") == "true", "the repeat was not answered from the key")

    # Read in the version that was written, for which the view is waited for.
    first = tag_of(created)
    read = show_item.sync_detailed(item.id, client=query, min_version=version_of(first), prefer="wait=30")
    view = expect(read, HTTPStatus.OK, ItemView)
    require(view.name == "A kite" and view.attributes.additional_properties == {"metres": 2}, f"read: {view}")
    unchanged = show_item.sync_detailed(item.id, client=query, if_none_match=tag_of(read))
    require(unchanged.status_code == HTTPStatus.NOT_MODIFIED, f"If-None-Match: {unchanged.status_code}")

    # Changed in the version that was read, and in no older one.
    content.name = "A red kite"
    replaced = replace_item.sync_detailed(item.id, client=command, body=content, if_match=first)
    expect(replaced, HTTPStatus.OK, ItemBody)
    patch = ItemPatchBody(description="Flies.")
    stale = patch_item.sync_detailed(item.id, client=command, body=patch, if_match=first)
    problem = expect(stale, HTTPStatus.PRECONDITION_FAILED, CommandProblem)
    require(problem.type_.startswith("/problems/"), f"a problem has a type: {problem}")
    patched = patch_item.sync_detailed(item.id, client=command, body=patch, if_match=tag_of(replaced))
    expect(patched, HTTPStatus.OK, ItemBody)
    newest = version_of(tag_of(patched))
    read = show_item.sync_detailed(item.id, client=query, min_version=newest, prefer="wait=30")
    view = expect(read, HTTPStatus.OK, ItemView)
    require((view.name, view.description) == ("A red kite", "Flies."), f"read after the changes: {view}")
    page = expect(list_items.sync_detailed(client=query, q="kite", limit=200), HTTPStatus.OK, ItemPage)
    require(item.id in [listed.id for listed in page.items], "the item is not in the list")

    # Deleted, and told to be gone.
    deleted = delete_item.sync_detailed(item.id, client=command, if_match=tag_of(patched))
    require(deleted.status_code == HTTPStatus.NO_CONTENT, f"delete: {deleted.status_code} {deleted.content!r}")
    last = version_of(tag_of(deleted))
    gone = show_item.sync_detailed(item.id, client=query, min_version=last, prefer="wait=30")
    require(expect(gone, HTTPStatus.GONE, QueryProblem).type_ == "/problems/item-deleted", f"gone: {gone.content!r}")
    print("round trip: ok")


if __name__ == "__main__":
    main()
