"""The keys of report.json, schema version 2: None for a value or a list of its own shape, else the names inside, in order."""

KEYS = {
    "strategy": None,
    "run_id": None,
    "schema_version": None,
    "verdict": "level sentence also reasons text",
    "data": "name start end n_sessions n_symbols n_documents sessions_per_year n_quarantined quarantined left_out notes",
    "returns": "total_return cagr volatility sharpe sortino calmar benchmark_total_return alpha beta monthly gross_total_return "
    "gross_sharpe benchmark_sharpe omega tail_ratio value_at_risk expected_shortfall skewness kurtosis win_rate profit_factor "
    "tracking_error information_ratio up_capture down_capture best_days worst_days best_months worst_months",
    "drawdown": "max_drawdown max_drawdown_sessions worst time_under_water ulcer_index",
    "accuracy": "n hit_rate base_rate mcc auc brier ic_mean ic_std ic_t ic_by_fold ic_lag ic_ir ic_positive n_sessions balanced_accuracy "
    "brier_skill log_loss calibration coverage ic_decay quantile_returns quantile_spread rank_autocorrelation break_even_bps "
    "names_per_session pooled_ic",
    "intervals": "total_return cagr volatility sharpe max_drawdown alpha information_ratio hit_rate hit_rate_above_base ic_mean pooled_ic",
    "significance": "psr dsr n_trials min_track_record sharpe_ci pbo convention n_returns trial_variance expected_max_sharpe haircut spa_p "
    "confidence n_resamples blocks",
    "trials": "n source notes",
    "trading": "turnover n_trades exposure fees slippage truncated_orders n_open trades_won trade_profit_factor annual_turnover "
    "net_exposure time_in_market n_delisted delisting_haircut",
    "walk_forward": None,
    "text_ablation": "variants groups by_age by_topic by_source events knowledge",
    "fragility": "own_cost_bps cost_delay stress without_best concentration best_names worst_names capacity sub_periods legs regimes",
    "audit": "verdict checks",
}
