"""Replace a trained part of a live store without breaking what worked: plan, bridge, gate, live, backfill, finish, rollback.

- `candidates`: what may go live, brought into the store;
- `cases`: what the gate asks, and at which rank the right item is found;
- `plan`: what an upgrade changes and costs;
- `bridge`: a map from the stored vectors to the new encoder's space, and how much the new one counts;
- `judge`, `judge_others`: the gate's report on an encoder, on a ranker, on readers; `report`: kept, and told;
- `going_live`: live, backfill, finish, rollback, and how far an upgrade is.
"""
