"""The smu backend."""
