"""What clients send, as OpenAPI knows it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Ask(_Body):
    """A request in plain language."""

    text: str = Field(description="What is wanted, in plain words.", examples=["play mary poppins"])
    context: dict[str, str] = Field(default_factory=dict, description="Who asks and where: device, user, time of day.")
    domain: str | None = Field(None, description="Search this domain only.")
    limit: int = Field(10, description="Results wanted, 1 to 100.")
    seed: int = Field(0, description="The same request, artifacts and seed give the same answer.")
    id: str | None = Field(None, description="The client's own id for the answer.")


class Act(_Body):
    """What a person did with a result."""

    answer: str = Field(description="The id of the answer that showed the item.")
    item: str = Field(description="The id of the item.")
    action: str = Field(
        description="click, play, save, like, buy, skip, dislike, undo, or what the store's settings name."
    )
    domain: str | None = Field(None, description="The item's domain; needed when two domains show the same id.")
    id: str | None = Field(None, description="The client's own id for this event: sent twice, it counts once.")


class PutItems(_Body):
    """Rows to add or update, with the catalogue's own column names."""

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]


class DeleteItems(_Body):
    """Ids of the items to delete."""

    ids: Annotated[list[str], Field(min_length=1, max_length=10_000)]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What happened, what was expected and how to fix it.")
