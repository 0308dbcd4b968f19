"""How the hub's pages look: theme, logo, announcements."""
