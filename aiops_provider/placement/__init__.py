"""
Where workloads should run: groups, the plan and its proof, and the router that follows it.

The room knows profiles, clusters and plans; it knows no host, no store and no running task. The
plan is made offline (multiplexing, problem, model, solver, planner) and judged by a checker that
shares no code with it (feasibility). The router answers from memory and imports nothing heavy, so
schedulers and workers may load it; take names from their modules, not from here.
"""
