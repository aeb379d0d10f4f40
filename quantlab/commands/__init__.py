"""The subcommands of `quantlab` that are not a backtest: parse, call, print."""
