import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { suite, test } from 'node:test'

import { unsafeSettings } from '../../src/cli/unsafe-runtime.ts'
import { programFile } from '../support/built-checkout.ts'

function settings(env: NodeJS.ProcessEnv = {}, execArgv: string[] = [], inspectorUrl?: string): string[] {
  return unsafeSettings({ env, execArgv, inspectorUrl })
}

suite('the gateway does not start with', () => {
  const cases: [NodeJS.ProcessEnv, string[], RegExp][] = [
    [{}, ['--insecure-http-parser'], /--insecure-http-parser/],
    [{}, ['--insecure_http_parser'], /--insecure-http-parser/],
    [{ NODE_OPTIONS: '--max-old-space-size=99  --insecure-http-parser' }, [], /--insecure-http-parser/],
    [{ NODE_OPTIONS: '"--insecure-http-parser"' }, [], /--insecure-http-parser/],
    [{}, ['--inspect'], /--inspect /],
    [{}, ['--inspect=127.0.0.1:0'], /--inspect /],
    [{}, ['--inspect-brk'], /--inspect-brk/],
    [{}, ['--inspect-wait=1'], /--inspect-wait/],
    [{ NODE_OPTIONS: '--inspect=0' }, [], /--inspect/],
    [{ NODE_OPTIONS: '--heapsnapshot-signal=SIGUSR2' }, [], /--heapsnapshot-signal .*keys and prompts/],
    [{}, ['--heapsnapshot_signal', 'SIGUSR2'], /--heapsnapshot-signal/],
    [{ NODE_OPTIONS: '--heapsnapshot-near-heap-limit=3' }, [], /--heapsnapshot-near-heap-limit/],
    [{}, ['--security-revert=CVE-2023-46809'], /--security-revert/],
    [{}, ['--tls-min-v1.0'], /--tls-min-v1\.0/],
    [{}, ['--tls-keylog=/tmp/keys'], /--tls-keylog/],
    [{}, ['--trace-tls'], /--trace-tls/],
    [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, [], /NODE_TLS_REJECT_UNAUTHORIZED=0.*NODE_EXTRA_CA_CERTS/],
    [{ NODE_DEBUG: 'http' }, [], /NODE_DEBUG with http/],
    [{ NODE_DEBUG: 'timer, UNDICI' }, [], /NODE_DEBUG with undici/],
    [{ NODE_DEBUG: 'tl*' }, [], /NODE_DEBUG with tls/],
    [{ NODE_DEBUG: '*' }, [], /NODE_DEBUG/],
    [{ NODE_DEBUG: 'net' }, [], /NODE_DEBUG with net/],
  ]
  for (const [env, execArgv, message] of cases) {
    test(`${JSON.stringify(env)} ${execArgv.join(' ')}`, () => {
      const found = settings(env, execArgv)
      assert.equal(found.length, 1)
      assert.match(found[0]!, message)
    })
  }

  test('an inspector that something else has opened', () => {
    assert.match(settings({}, [], 'ws://127.0.0.1:9229/x').join(), /inspector is open/)
  })
})

test('every unsafe setting is told at once', () => {
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_DEBUG: 'http', NODE_OPTIONS: '--trace-tls' }
  assert.equal(settings(env, ['--inspect']).length, 4)
})

test('other settings of Node are no matter', () => {
  const env = {
    NODE_OPTIONS: '--max-old-space-size=100 --enable-source-maps --inspection-x',
    NODE_TLS_REJECT_UNAUTHORIZED: '1',
    NODE_DEBUG: 'timer,module',
    NODE_EXTRA_CA_CERTS: '/x.pem',
  }
  assert.deepEqual(settings(env, ['--disable-sigusr1', '--title=--inspect', '--inspect-port=0']), [])
})

test('`serve` says so and exits with 1', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--insecure-http-parser', programFile, 'serve', '--config', '/dev/null'],
    { encoding: 'utf8', env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } },
  )
  assert.equal(status, 1)
  assert.match(stderr, /cannot start: Node's option --insecure-http-parser/)
  assert.match(stderr, /cannot start: NODE_TLS_REJECT_UNAUTHORIZED=0/)
})
