"""Storage: files that are written completely or not at all, locks, checksums (seals) and TOML."""
