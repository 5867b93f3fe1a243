// Model servers on demand, in a real user manager: the gateway as it is installed, its starter, and servers that take a moment
// to load.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { until } from '../support/deadline.ts'
import { callCommand, loadServices, startServices, stateOf } from '../support/installed-services.ts'
import { journal, noUserManager } from '../support/user-manager.ts'

const skip = noUserManager()
const isRunning = (state: string) => state === 'active' || state === 'activating'

/** Runs a shell command as soon as the first event of a call is there; prints all that the call gets. */
function atFirstEvent(call: string, command: string): string {
  return `${call} | { seen=; while IFS= read -r line; do printf '%s\\n' "$line"
    case $line in data:*) [ -n "$seen" ] || { seen=1; ${command}; } ;; esac; done; }`
}

suite('model servers in the user manager', { skip }, () => {
  test('the first call starts the server, hears heartbeats and gets a whole answer; later it is stopped', async (t) => {
    const manager = await startServices(t, {
      servers: { slow: { loads: 1_500, service: { stop_after_idle_ms: 1_000 } } },
      config: { server: { heartbeat_after_ms: 300 } },
    })
    assert.equal(await stateOf(manager, 'slow'), 'inactive')
    const text = await manager.ok(callCommand('slow'))
    const [first = ''] = text.split('data: ')
    assert.match(first, /^(: ping\n){2,}/, 'comments come before the first event')
    assert.equal(text.split('"slow "').length - 1, 10)
    assert.match(text, /data: \[DONE\]$/)
    assert.equal(await stateOf(manager, 'slow'), 'active')
    await until(async () => (await stateOf(manager, 'slow')) === 'inactive', 'the idle stop')
    const whole = await manager.ok(callCommand('slow', { isStream: false, options: '-sS -i' }))
    assert.match(whole, /^HTTP\/1\.1 200/)
    assert.match(whole, /server-timing: .*start;dur=\d{4}/i)
    assert.match(whole, /"content":"(slow ){10}"/)
    const lines = await journal(manager)
    const call = lines.find(({ message }) => message.includes('"event":"call"'))
    assert.match(call!.message, /"start_ms":[1-9]\d{3}/)
  })

  test('a server that does not start is an error with its unit and result, and nothing of its output', async (t) => {
    const manager = await startServices(t, {
      servers: {
        crashing: { loads: 100, fault: 'crash' },
        hanging: { fault: 'never', service: { start_timeout_ms: 1_000 } },
        missing: {},
        masked: {},
      },
    })
    await manager.ok('rm .config/systemd/user/missing.service; systemctl --user daemon-reload')
    await manager.ok(
      'rm .config/systemd/user/masked.service; systemctl --user mask masked.service; systemctl --user daemon-reload',
    )
    const expected = {
      crashing:
        /"The server of provider \\"crashing\\" did not start: crashing\.service, exit-code 3\. Try again in 1 s\."/,
      hanging: /hanging\.service, timeout\./,
      missing: /missing\.service, not-found\./,
      masked: /masked\.service, masked\./,
    }
    for (const [name, message] of Object.entries(expected)) {
      const text = await manager.ok(callCommand(name, { isStream: false, options: '-sS -i' }))
      assert.match(text, /^HTTP\/1\.1 503/, name)
      assert.match(text, /x-llm-gateway-error: service_not_started/i)
      assert.match(text, /retry-after: \d+/i)
      assert.match(text, message)
      await until(async () => !isRunning(await stateOf(manager, name)), `the end of ${name}`)
    }
  })

  test('a start that fails after a heartbeat is an error event', async (t) => {
    const manager = await startServices(t, {
      servers: { hanging: { fault: 'never', service: { start_timeout_ms: 1_500 } } },
      config: { server: { heartbeat_after_ms: 200 } },
    })
    const text = await manager.ok(callCommand('hanging', { options: '-sSN -i' }))
    assert.match(text, /^HTTP\/1\.1 200/)
    assert.match(text, /\n: /)
    assert.match(text, /data: .*"code":"service_not_started"/)
    assert.match(text, /Try again in \d+ s/)
  })

  for (const [what, command] of [
    ['is killed', 'systemctl --user kill -s KILL one'],
    ['is stopped by hand', 'systemctl --user stop one'],
  ] as const) {
    test(`a server that ${what} in a stream ends that stream with an error, and a later call starts it`, async (t) => {
      const manager = await startServices(t, { servers: { one: { fault: 'long' } } })
      const text = await manager.ok(atFirstEvent(callCommand('one'), command))
      assert.match(text, /^data: .*"content":"one "/m)
      assert.match(text, /data: .*"error":/)
      assert.doesNotMatch(text, /\[DONE\]/)
      await until(async () => !isRunning(await stateOf(manager, 'one')), 'the end of the unit')
      const again = `${callCommand('one')} | grep -m 1 content`
      await until(async () => (await manager.sh(again)).stdout.includes('"content":"one "'), 'the next start')
    })
  }

  test('a server that is stopped by hand in a stream has not failed, so the next call starts it at once', async (t) => {
    const manager = await startServices(t, { servers: { one: { fault: 'long' } } })
    await manager.ok(atFirstEvent(callCommand('one'), 'systemctl --user stop one'))
    let lines: string[] = []
    await until(async () => {
      lines = (await journal(manager)).map(({ message }) => message)
      return lines.some((line) => line.includes('"event":"service_stopped"'))
    }, 'the report of the stop')
    const stops = lines.filter((line) => line.includes('"event":"service_stop'))
    assert.ok(
      stops.some((line) => line.includes('"reason":"outside"')),
      stops.join('\n'),
    )
    assert.ok(!lines.some((line) => line.includes('"event":"service_failed"')))
    const next = await manager.ok(`${callCommand('one')} | grep -m 1 content`)
    assert.match(next, /^data: .*"content":"one "/)
  })

  test('a gateway that is restarted takes over what runs', async (t) => {
    const manager = await startServices(t, { servers: { one: { service: { stop_after_idle_ms: 3_000 } } } })
    await manager.ok(callCommand('one'))
    const before = await manager.ok('systemctl --user show -P InvocationID one')
    await manager.ok('systemctl --user restart llm-gateway')
    assert.match(await manager.ok(callCommand('one')), /data: \[DONE\]$/)
    assert.equal(await manager.ok('systemctl --user show -P InvocationID one'), before, 'the same process')
    await until(async () => (await stateOf(manager, 'one')) === 'inactive', 'the idle stop')
  })

  test('a command is run as a transient unit', async (t) => {
    const run = [
      process.execPath,
      '/home/gateway/llm-gateway/test/support/model-server.ts',
      '9200',
      'own',
      '100',
    ]
    const manager = await startServices(t, {
      servers: { own: {} },
      config: {
        providers: {
          own: {
            kind: 'llama_cpp',
            base_url: 'http://127.0.0.1:9200/v1',
            service: { run, memory_max: '512M' },
          },
        },
      },
    })
    assert.match(await manager.ok(callCommand('own')), /data: \[DONE\]$/)
    assert.equal(
      await manager.ok('systemctl --user show -P MemoryMax llm-gateway-run-own'),
      String(512 * 1024 ** 2),
    )
  })

  test('commands show, start and stop a server, with its journal where it fails', async (t) => {
    const manager = await startServices(t, {
      servers: {
        good: { loads: 300 },
        // The journal knows the unit of a process only while that runs: systemd/systemd#2913.
        broken: {
          lines: ['ExecStart=', "ExecStart=/bin/sh -c 'echo cannot open the model; sleep 0.3; exit 1'"],
        },
      },
    })
    await manager.ok('systemctl --user start llm-gateway')
    const services = 'llm-gateway/bin/llm-gateway services'
    assert.match(await manager.ok(`${services} start good`), /^good is ready after /)
    assert.equal(await stateOf(manager, 'good'), 'active')
    const failing = await manager.sh(`${services} start broken`)
    assert.equal(failing.status, 1)
    assert.match(failing.stderr, /^error: broken is not ready: exit-code 1\n/)
    // As it is for a user whose journal is kept.
    await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
    const list = await manager.ok(services)
    assert.match(list, /^good +ready .* good\.service$/m)
    assert.match(list, /^broken failed: exit-code 1/m)
    assert.match(list, /^ {2}\| cannot open the model$/m)
    assert.match(await manager.ok(`${services} good`), /^unit +good\.service$/m)
    assert.match(await manager.ok(`${services} stop good`), /^good is stopped after /)
    assert.equal(await stateOf(manager, 'good'), 'inactive')
    const hasStop = async () => /^\S+ \S+ +stopped +command$/m.test(await manager.ok(`${services} good`))
    await until(hasStop, 'the stop in the ledger')
    assert.match(await manager.ok(`${services} good`), /^\S+ \S+ +ready +after \d+(\.\d)? (ms|s)$/m)
  })

  test('members of a group take turns, and no call fails or is cut', async (t) => {
    const seen = await loadServices(t, { seconds: 12, minRunMs: 1_000, maxRunMs: 2_000 })
    t.diagnostic(JSON.stringify(seen))
    assert.ok(seen.changes.length >= 3, 'they took turns')
  })

  test('members of a group take turns over restarts of the gateway, and no call fails or is cut', async (t) => {
    const adopted: number[] = []
    const seen = await loadServices(t, {
      seconds: 20,
      minRunMs: 1_000,
      maxRunMs: 2_000,
      async beside(manager) {
        const isAnyActive = async () =>
          (await stateOf(manager, 'one')) === 'active' || (await stateOf(manager, 'two')) === 'active'
        for (const restart of [
          'llm-gateway/bin/llm-gateway systemd restart',
          'systemctl --user restart llm-gateway',
        ]) {
          await until(isAnyActive, 'a server that runs')
          await manager.ok(restart)
          const lines = await journal(manager)
          adopted.push(lines.filter(({ message }) => message.includes('"event":"service_adopted"')).length)
        }
      },
    })
    t.diagnostic(JSON.stringify({ ...seen, adopted }))
    assert.ok(seen.changes.length >= 3, 'they took turns')
    assert.ok(adopted.at(-1)! > 0, 'what ran was adopted')
  })
})
