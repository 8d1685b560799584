"""The process that predicts: ``python -m bench.jobs.prediction.worker`` reads an order, tells events, as a job does."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

from bench.jobs.worker import EXIT_FAILED, hand_on_plugins, limit_shutdown, reason_of, redirect_output, serve


def main() -> int:
    """Do one order. Exit code 0: done; 1: failed."""
    return serve(_predict)


def _predict(values: dict[str, Any]) -> int:
    from bench.jobs.event_pipe import EventPipe
    from bench.jobs.prediction.order import PredictionOrder

    pipe = EventPipe(os.dup(1))
    process = os.getpid()
    order = PredictionOrder.model_validate(values)
    try:
        redirect_output(order.log)
        hand_on_plugins(order.plugins)
        from bench.jobs.prediction.predict import predict

        predict(order, pipe.emit)
        pipe.emit("done", score=None, seconds=0.0)
        return 0
    except BaseException as error:
        traceback.print_exc()  # into the log
        if os.getpid() == process:
            pipe.emit("failed", reason=reason_of(error, order.log), trace=traceback.format_exc())
        return EXIT_FAILED
    finally:
        if os.getpid() != process:  # a fork of the approach's own that came back here
            os._exit(EXIT_FAILED)
        limit_shutdown()


if __name__ == "__main__":
    sys.exit(main())
