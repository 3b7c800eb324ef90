"""From IR to plain data: facts that passes, backends and reports share."""
