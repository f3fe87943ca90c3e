"""The fault harness: real processes, real servers, a steady stream of jobs, and things that die.

proxy       the wires between our processes and the servers, which can be cut, held and made deaf
fleet       servers, workers, beats and the API of a run, started again when they die
orders      what each job of the stream is told to do, and how it must end
drill       the processors that do it, loaded into real workers
ledger      what happened outside the system: a file that every run appends to
stream      clients that add jobs over SQL and HTTP and remember what they were answered
fault       what can go wrong, one small class each: `faults` of processes, `server_faults` of servers and wires
verdict     what is found in the end, held against what was promised
campaign    the run itself, and its table
"""
