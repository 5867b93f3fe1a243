// Messages that commands send, to services on real sockets.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { notifyUnitFailedCommand } from '../../src/cli/notify.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { recordedIo } from '../support/command-io.ts'
import { scratchDirectory, writeScratch } from '../support/config-file.ts'
import { findKey } from '../support/key-forms.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { runCommand } from '../support/run-command.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'

const rest = 'providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n'
const routingKey = 'R0123456789abcdefROUTING'

function written(t: TestContext, sinks: string): string {
  return writeScratch(t, `${rest}notify: { sinks: { ${sinks} } }\n`)
}

function hookOf({ url }: Receiver): string {
  return `${url}/services/T000/very-secret-path`
}

suite('notify test', () => {
  test('sends one message to each service, and prints what they said, without their URLs and keys', async (t) => {
    const receiver = await startReceiver(t)
    const HOOK = hookOf(receiver)
    receiver.answer = { status: 202, text: `accepted ${routingKey} for /services/T000/very-secret-path` }
    const file = written(
      t,
      `team: { kind: slack, url: { env: HOOK } }, pager: { kind: pagerduty, url: "${receiver.url}/v2/enqueue", routing_key: { env: ROUTING } }`,
    )
    const env = { HOOK, ROUTING: routingKey }
    const { status, stdout, stderr } = await runCommand(['notify', 'test', '--config', file], { env })
    assert.equal(stderr, '')
    assert.match(stdout, /^team \(slack\): sent, status 202: accepted /)
    assert.match(stdout, /\npager \(pagerduty\): sent, status 202: accepted \[secret\]/)
    assert.equal(status, 0)
    const [team = '', pager = ''] = stdout.split('\n')
    assert.deepEqual(findKey(pager, routingKey), [])
    assert.doesNotMatch(team, /very-secret-path/)
    assert.deepEqual(
      receiver.received.map(({ path }) => path),
      ['/services/T000/very-secret-path', '/v2/enqueue', '/v2/enqueue'],
    )
    const events = receiver.received.slice(1).map(({ body }) => body as Record<string, string>)
    assert.deepEqual(
      events.map((event) => [event['event_action'], event['dedup_key']]),
      [
        ['trigger', events[0]!['dedup_key']],
        ['resolve', events[0]!['dedup_key']],
      ],
    )
    const { text } = receiver.received[0]!.body as { text: string }
    assert.match(text, /This is a test of llm-gateway notify\./)
  })

  test('prints no piece of a URL that a service repeats, however it is written', async (t) => {
    const receiver = await startReceiver(t)
    const HOOK = `${receiver.url}/hooks/topsecret%2Dpath?key=query-secret&sig=a%2Bsigned%2Fvalue`
    const text = 'no topsecret-path, topsecret%2Dpath, query-secret, a+signed/value, a%2Bsigned%2Fvalue'
    receiver.answer = { status: 403, text }
    const file = written(t, 'a: { kind: webhook, url: { env: HOOK } }')
    const { stdout } = await runCommand(['notify', 'test', '--config', file], { env: { HOOK } })
    assert.equal(
      stdout,
      'a (webhook): failed, status 403: no [secret], [secret], [secret], [secret], [secret]\n',
    )
  })

  test('fails when a service does not take it, and prints why', async (t) => {
    const receiver = await startReceiver(t)
    receiver.answer = { status: 403, text: 'invalid_token\u001b[2J' }
    const file = written(
      t,
      'a: { kind: webhook, url: { env: HOOK } }, b: { kind: webhook, url: { env: AWAY } }',
    )
    const env = { HOOK: hookOf(receiver), AWAY: await refusingUrl(t) }
    const { status, stdout } = await runCommand(['notify', 'test', '--config', file], { env })
    assert.equal(status, 1)
    assert.equal(
      stdout,
      'a (webhook): failed, status 403: invalid_token\\u001b[2J\nb (webhook): failed, ECONNREFUSED\n',
    )
  })

  const refusals = [
    [
      'a sink that is not there',
      'a: { kind: webhook, url: { env: HOOK } }',
      ['c'],
      / has no sink c; 1 sink: a\./,
    ],
    ['no sinks', '', [], / has no notify\.sinks\./],
    [
      'a secret that is not here',
      'a: { kind: webhook, url: { env: ABSENT, optional: true } }',
      [],
      /The secret of the sink a is not available here/,
    ],
  ] as const
  for (const [what, sinks, names, message] of refusals) {
    test(`fails with a reason for ${what}`, async (t) => {
      const file = written(t, sinks)
      const env = { HOOK: 'http://127.0.0.1:9/x' }
      const { status, stdout, stderr } = await runCommand(['notify', 'test', ...names, '--config', file], {
        env,
      })
      assert.deepEqual([status, stdout], [1, ''])
      assert.match(stderr, message)
    })
  }
})

suite('notify unit-failed', () => {
  const config = (t: TestContext) => written(t, 'a: { kind: webhook, url: { env: HOOK } }')

  test('reports the unit, and the result that systemd passes', async (t) => {
    const receiver = await startReceiver(t)
    const env = {
      HOOK: hookOf(receiver),
      MONITOR_SERVICE_RESULT: 'exit-code',
      MONITOR_EXIT_CODE: 'exited',
      MONITOR_EXIT_STATUS: '78',
    }
    const args = ['notify', 'unit-failed', 'llm-gateway.service', '--config', config(t)]
    assert.deepEqual(await runCommand(args, { env }), { status: 0, stdout: '', stderr: '' })
    const { notices } = receiver.received[0]!.body as { notices: Record<string, string>[] }
    const [notice] = notices
    assert.equal(notice?.['what'], 'The unit llm-gateway.service has failed.')
    assert.match(notice?.['why'] ?? '', /^Its result is exit-code \(exited 78\)\./)
    assert.equal(notice?.['severity'], 'critical')
  })

  test('reports it also where the rest of the file is why it failed', async (t) => {
    const receiver = await startReceiver(t)
    const home = scratchDirectory(t)
    writeFileSync(join(home, 'hook'), hookOf(receiver), { mode: 0o600 })
    const sinks = 'a: { kind: webhook, url: { file: ~/hook } }'
    const file = writeScratch(
      t,
      `providers: { p: { base_url: "no URL", api_key: { env: ABSENT } } }\nmodles: {}\nnotify: { sinks: { ${sinks} } }\n`,
    )
    const env = { HOME: home }
    const args = ['notify', 'unit-failed', 'llm-gateway.service', '--config', file]
    assert.deepEqual(await runCommand(args, { env }), { status: 0, stdout: '', stderr: '' })
    assert.equal(receiver.received.length, 1)
    const broken = writeScratch(t, `${rest}notify: { sinks: { a: { kind: slak, url: { file: ~/hook } } } }\n`)
    const refused = await runCommand(['notify', 'unit-failed', 'a.service', '--config', broken], { env })
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /must be one of/)
  })

  test('tries again', async (t) => {
    const receiver = await startReceiver(t)
    receiver.answer = { status: 503 }
    const io = recordedIo({ HOOK: hookOf(receiver) })
    const sent = notifyUnitFailedCommand(io, { config: config(t), unit: 'a.service' }, systemClock, [1, 1])
    await receiver.count(1)
    receiver.answer = {}
    assert.equal(await sent, 0)
    assert.ok(receiver.received.length >= 2)
  })

  test('refuses what is not the name of a unit', async (t) => {
    const args = ['notify', 'unit-failed', 'a b; rm', '--config', config(t)]
    const { status, stderr } = await runCommand(args, { env: { HOOK: 'http://127.0.0.1:9/' } })
    assert.deepEqual([status, stderr], [1, 'That is not the name of a unit.\n'])
  })
})
