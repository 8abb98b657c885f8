CREATE INDEX latest_decisions_by_decision ON latest_decisions (decision_id);
