"""The audit: a back-test tries to prove itself wrong.

light: at the end of every run, what can be proven without a second one. ledger: the orders replayed without the engine.
full: `quantlab audit`: time cut, the future replaced, canaries planted, weights flipped, labels and headlines dealt out at random.
"""
