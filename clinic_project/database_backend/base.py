"""Where Django looks for a backend's connections."""

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that Django gives up when its server takes no more writes, if it was asked for one that does.

    Otherwise a process would keep it until CONN_MAX_AGE: a proxy or a pooler keeps its clients when the server behind it
    becomes a standby, and a server whose default_transaction_read_only is set keeps its sessions.
    """

    def is_usable(self) -> bool:
        """Tell whether the session is alive, and may write if `target_session_attrs` asks for that.

        Django calls it before the first statement of each request and after each error.
        """
        if self.settings_dict["OPTIONS"].get("target_session_attrs") != "read-write":
            return super().is_usable()
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SHOW transaction_read_only")
                return bool(cursor.fetchone() == ("off",))
        except self.Database.Error:  # type: ignore[attr-defined]  # unknown to the stubs
            return False
