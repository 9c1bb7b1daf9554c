"""Where Google's papers leave room: each choice is a named setting with the documented default (pricing, [policy])."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from .meters import Modality


@dataclass(frozen=True, slots=True)
class Policies:
    """The choices, each with the section of pricing that leaves it open; docs/explanation/how-cost-is-computed.md.

    `uncounted_detail_takes_rest` (3.3): a lone detail without `tokenCount` owns what the others leave of the count;
    else that is text. `cached_order` (3.4): which modalities cached tokens without details are taken from, in order.
    `unknown_tier_is_standard` (5): an unknown tier word is priced as standard, with a remark; else it is unknown.
    `prepaid_is_free` (5): provisioned throughput costs nothing more; else on-demand rates.
    `absent_fields_persist` (6): fields that a later chunk of a stream lacks keep their value; else the last
    `usageMetadata` stands alone. `free_grounding_units` (7): how many queries or grounded prompts of the account's
    allowance are deducted from one request. `estimates_live_media` (8): a session without usage is estimated by the
    media that passed; else it is unknown. `storage_by_begun_hours` (14): cache storage counts hours begun; else the
    exact time. `day_offset_hours` (17): the clock by which announced prices change, in hours from UTC.
    """

    uncounted_detail_takes_rest: bool = True
    cached_order: tuple[Modality, ...] = (Modality.TEXT, Modality.IMAGE, Modality.VIDEO, Modality.AUDIO)
    unknown_tier_is_standard: bool = True
    prepaid_is_free: bool = True
    absent_fields_persist: bool = True
    free_grounding_units: int = 0
    estimates_live_media: bool = True
    storage_by_begun_hours: bool = False
    day_offset_hours: int = 0

    def day_of(self, started: datetime) -> date:
        """The day whose prices count for a request that started at this aware time."""
        utc = started if started.tzinfo is UTC else started.astimezone(UTC)
        return (utc + timedelta(hours=self.day_offset_hours) if self.day_offset_hours else utc).date()


DOCUMENTED: Final = Policies()
"""The defaults."""
