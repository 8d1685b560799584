"""One job from its configuration to a stored result: plan, executors, worker, context, store, scoring."""
