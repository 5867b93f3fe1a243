// The files for programs that ship the log. Only rsyslog is run (test/system/observing.system.ts); of the others the tests parse
// what is YAML and look for the fields of the gateway's lines that each file names.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { parse } from 'yaml'

import { createLog } from '../../src/observe/log/log.ts'
import { logSink } from '../../src/observe/sinks/log.ts'
import { failedCall } from './failed-call.ts'

const folder = join(import.meta.dirname, '../../config/examples')

/** How a file names fields of a line. */
const files: Readonly<Record<string, RegExp>> = {
  'alloy.alloy': /\b([a-z_]+) += ""/g,
  'filebeat.yml': /llm_gateway\.([a-z_]+)/g,
  'fluent-bit.yaml': /\$([a-z_]+)|time_key: ([a-z_]+)/g,
  'otel-collector.yaml': /attributes\.([a-z_]+)/g,
  'vector.yaml': /(?<!-)gateway\.([a-z_]+)/g,
}

/** The members of the line of a call that failed. */
function membersOfLine(): ReadonlySet<string> {
  let line = ''
  const log = createLog('info', { write: (text) => (line += text) })
  logSink(log).receive({ kind: 'call_ended', call: failedCall })
  return new Set(Object.keys(JSON.parse(line) as object))
}

for (const [file, names] of Object.entries(files)) {
  const text = readFileSync(join(folder, file), 'utf8')

  suite(file, () => {
    test('names fields that a line of a call has', () => {
      const named = [...text.matchAll(names)].map(([, one, other]) => one ?? other!)
      assert.ok(new Set(named).size >= 2, named.join())
      const members = membersOfLine()
      assert.deepEqual(
        named.filter((name) => !members.has(name)),
        [],
      )
    })

    test("reads the unit of a user's service, and is marked as not run by the tests", () => {
      assert.match(text, /_SYSTEMD_USER_UNIT\W+llm-gateway\.service/)
      assert.match(text.split('\n').slice(0, 3).join(' '), /[Nn]ot run by the(?:\W|\/\/)+tests/)
    })
  })
}

for (const file of Object.keys(files).filter((name) => /ya?ml$/.test(name))) {
  test(`${file} is YAML`, () => {
    assert.equal(typeof parse(readFileSync(join(folder, file), 'utf8')), 'object')
  })
}

test('what has many values is in no label of Loki, because each value would make a stream', () => {
  const labels = {
    'alloy.alloy': /stage\.labels \{\s+values = \{([^}]*)\}/,
    'fluent-bit.yaml': /labels: (.*)/,
    'vector.yaml': /labels:\n((?:\s{6}.*\n)*)/,
  }
  for (const [file, pattern] of Object.entries(labels)) {
    const found = pattern.exec(readFileSync(join(folder, file), 'utf8'))?.[1]
    assert.match(found ?? '', /level/, file)
    assert.doesNotMatch(found ?? '', /request_id|client|model|trace/, file)
  }
})
