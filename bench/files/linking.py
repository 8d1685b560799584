"""One file under two names: what a job keeps of a stage takes no second place on the disk."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


def link_or_copy(source: Path, target: Path) -> bool:
    """Give a file a second name (a hard link), or copy it where the file system has no links between the two places.

    Files of a store are replaced by renaming, never changed in place, so neither name can change the other's contents.

    Returns:
        Whether it is linked.
    Raises:
        FileNotFoundError: there is no such file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(source, target)
        return False
    return True
