"""Does the backtest prove itself wrong? The independent ledger; more checks join it here."""
