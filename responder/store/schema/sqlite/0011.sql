-- retention: deleting a decision looks whether it is the latest of a server -----------------------------------------

CREATE INDEX latest_decisions_by_decision ON latest_decisions (decision_id);
