/**
 * The few lines of Python that run one test of a Paho suite: the suite's own main program sets it up, and our runner, in place of the
 * one that unittest brings, prints JSON lines. Without a test's name it prints the names of all.
 */
export const DRIVER = `
import json, runpy, sys, unittest

script, host, port, wanted = sys.argv[1:5]
# Not -h: the suites take that for --help.
sys.argv = [script, "--hostname", host, "--port", port]

def say(**line):
    print("\\n@" + json.dumps(line), flush=True)

class Result(unittest.TestResult):
    def addSuccess(self, test):
        say(outcome="passed", detail="")

    def addSkip(self, test, reason):
        say(outcome="skipped", detail=reason)

    def addError(self, test, error):
        say(outcome="failed", detail="%s: %s" % (error[0].__name__, error[1]))

    def addFailure(self, test, error):
        self.addError(test, error)

def main(*_, **__):
    case = sys.modules["__main__"].Test
    # One test of the 3.1.1 suite is named the other way round, and unittest would pass it over.
    names = sorted(name for name in dir(case) if name.startswith("test") or name.endswith("_test"))
    if wanted == "":
        say(names=names)
    else:
        unittest.TestSuite([case(wanted)]).run(Result())

unittest.main = main
runpy.run_path(script, run_name="__main__")
`;
