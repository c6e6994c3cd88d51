/** One line per test file, failures in full, and the counts for `flex test` in a file. */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';

export default class ShortReporter {
  onTestResult(test, result) {
    const { displayName, rootDir } = test.context.config;
    const failed = result.numFailingTests > 0 || result.testExecError;
    const count = result.numPassingTests + result.numFailingTests;
    const seconds = ((result.perfStats.end - result.perfStats.start) / 1_000).toFixed(1);
    console.log(
      `${failed ? 'FAIL' : 'ok  '} ${displayName.name} ${relative(rootDir, test.path)} (${count} tests, ${seconds} s)`,
    );
    if (failed) console.log(result.failureMessage);
  }

  onRunComplete(_contexts, results) {
    const path = process.env.FLEX_TEST_SUMMARY;
    if (!path) return;
    const counts = {
      passed: results.numPassedTests,
      // A file that can't even be loaded has no test that could fail.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    };
    writeFileSync(path, JSON.stringify(counts));
  }
}
