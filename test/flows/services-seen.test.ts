// What is seen of model servers that the gateway starts, and how commands steer them: on its metrics, its page, its log, in answers
// and over its control socket.
import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { startControl } from '../../src/app/control.ts'
import { servicesListCommand } from '../../src/cli/services-list.ts'
import { servicesSteerCommand } from '../../src/cli/services-steer.ts'
import type { RunProgram } from '../../src/systemd/programs.ts'
import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { recordedIo } from '../support/command-io.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { at } from '../support/gateway-config.ts'
import { scrape } from '../support/metrics-text.ts'
import { startStarter } from '../support/scripted-starter.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { readReport } from './status/status-client.ts'

const answer = { id: 'x', object: 'chat.completion', choices: [] }

/** As `services NAME --json` has it. */
interface Step {
  readonly what: string
  readonly unit: string
  readonly ready_ms: number | null
  readonly reason: string | null
}

for (const workers of [1, 2]) {
  suite(`with ${workers} threads, a service`, () => {
    async function start(t: TestContext) {
      const stateDirectory = scratchDirectory(t)
      const upstream = await startUpstream(t)
      let isReady = true
      upstream.respondAlways(({ method }) =>
        method === 'GET' ? json(isReady ? 200 : 503, {}) : json(200, answer),
      )
      const starter = await startStarter(t, 'qwen')
      const provider = at(upstream, { service: { unit: 'qwen.service', stop_after_idle_ms: 600_000 } })
      const { gateway } = await startGateway(
        t,
        {
          server: { workers },
          providers: { qwen: provider },
          models: { m: { provider: 'qwen', model: 'm' } },
        },
        { starterPath: starter.path, stateDirectory },
      )
      await gateway.logged({ event: 'starter_found' })
      const home = scratchDirectory(t)
      const control = await startControl(gateway.app, {
        path: join(home, '.local/state/llm-gateway/control.sock'),
        version: '1',
        configFile: 'x',
        stateDirectory,
        startedAtMs: Date.now(),
      })
      t.after(() => control?.close())
      const journal: RunProgram = () => ({ status: 0, stdout: 'out of memory\n', stderr: '' })
      const options = { config: undefined, json: false, lines: undefined, run: journal, isWaiting: true }
      const io = () => recordedIo({ HOME: home, XDG_RUNTIME_DIR: 'none' })
      return {
        gateway,
        starter,
        setReady: (now: boolean) => void (isReady = now),
        list: async (name?: string, json = false) => {
          const to = io()
          return { status: await servicesListCommand(to, name, { ...options, json }), ...to.written }
        },
        steer: async (verb: 'start' | 'stop') => {
          const to = io()
          return { status: await servicesSteerCommand(to, verb, 'qwen', options), ...to.written }
        },
      }
    }

    test('that a call starts is in its answer, the log, metrics and the page', async (t) => {
      const { gateway, starter, setReady } = await start(t)
      setReady(false)
      const calling = chat(gateway, 'm')
      await starter.asked('start', 'qwen')
      await until(
        async () => (await gateway.app.openCallReports()).some(({ phase }) => phase === 'starting'),
        'a call that waits for the start',
      )
      const [call] = (await readReport(t, gateway)).calls
      assert.deepEqual([call!.phase, call!.provider], ['starting', 'qwen'])
      setReady(true)
      const response = await calling
      assert.equal(response.status, 200)
      assert.match(
        response.headers.get('server-timing') ?? '',
        /^wait;dur=[\d.]+, start;dur=[\d.]+, upstream/,
      )
      const line = await gateway.logged({ event: 'call' })
      assert.ok(Number(line['start_ms']) > 0 && line['start_ms'] === line['wait_ms'], JSON.stringify(line))
      await gateway.logged({
        event: 'service_starting',
        provider: 'qwen',
        unit: 'qwen.service',
        reason: 'call',
      })
      const ready = await gateway.logged({ event: 'service_ready', provider: 'qwen' })
      assert.ok(Number(ready['took_ms']) >= 0)

      const metrics = await scrape(gateway)
      const of = (name: string, labels = {}) =>
        metrics.value(`llm_gateway_service_${name}`, { provider: 'qwen', ...labels })
      assert.equal(of('state', { state: 'ready' }), 1)
      assert.deepEqual(
        [of('starts_total', { result: 'ok' }), of('starts_total', { result: 'failed' })],
        [1, 0],
      )
      assert.equal(of('stops_total', { reason: 'idle' }), 0)
      assert.equal(of('start_seconds_count'), 1)
      assert.equal(metrics.value('llm_gateway_service_wait_seconds_count', { model: 'm' }), 1)
      const { services } = await readReport(t, gateway)
      assert.deepEqual(
        services.map(({ provider, unit, state, starts }) => ({ provider, unit, state, starts })),
        [{ provider: 'qwen', unit: 'qwen.service', state: 'ready', starts: 1 }],
      )
    })

    test('that fails is a condition, with its reason, until it is ready', async (t) => {
      const { gateway, starter, list, steer } = await start(t)
      starter.onRequest = ({ kind }) => {
        if (kind === 'start') {
          starter.set('qwen', {
            active: 'failed',
            sub: 'failed',
            result: 'exit-code',
            exitStatus: 1,
            invocation: 'f'.repeat(32),
          })
        }
        return undefined
      }
      const { status, stderr } = await steer('start')
      assert.equal(status, 1)
      assert.match(stderr, /^error: qwen is not ready: exit-code 1\n.*\n {2}\| out of memory\n$/)
      await gateway.logged({
        event: 'service_failed',
        provider: 'qwen',
        result: 'exit-code 1',
        was_ready: false,
      })
      const metrics = await scrape(gateway)
      assert.equal(metrics.value('llm_gateway_service_failing', { provider: 'qwen' }), 1)
      assert.equal(
        metrics.value('llm_gateway_service_starts_total', { provider: 'qwen', result: 'failed' }),
        1,
      )
      await until(
        async () => (await readReport(t, gateway)).attention.some(({ rule }) => rule === 'ServiceFailing'),
        'the condition',
      )
      const shown = await list()
      assert.match(shown.stdout, /^qwen +failed /m)
      assert.match(shown.stdout, /^qwen failed: exit-code 1; .*\n {2}\| out of memory$/m)
    })

    test('is started and stopped by commands', async (t) => {
      const { gateway, steer, list } = await start(t)
      assert.match((await steer('start')).stdout, /^qwen is ready after /)
      const by = `user:${userInfo().username}`
      const commanded = { event: 'service_commanded', provider: 'qwen', unit: 'qwen.service', by }
      await gateway.logged({ ...commanded, verb: 'start' })
      assert.match((await list()).stdout, /^qwen +ready /m)
      assert.match((await steer('stop')).stdout, /^qwen is stopped after /)
      await gateway.logged({ event: 'service_stopping', provider: 'qwen', reason: 'command' })
      await gateway.logged({ ...commanded, verb: 'stop' })
      const metrics = await scrape(gateway)
      assert.equal(
        metrics.value('llm_gateway_service_stops_total', { provider: 'qwen', reason: 'command' }),
        1,
      )
    })

    test('has its starts and stops in the ledger, where its own command finds them', async (t) => {
      const { starter, steer, list } = await start(t)
      // Null while the file is created.
      const history = async () =>
        (JSON.parse((await list('qwen', true)).stdout).history as Step[] | null) ?? []
      assert.match((await list('qwen')).stdout, /^last starts and stops\n {2}\(none is recorded\)$/m)
      await steer('start')
      await steer('stop')
      starter.onRequest = () => 'masked'
      await steer('start')
      await until(async () => (await history()).length === 5, 'what is recorded')
      const steps = await history()
      assert.deepEqual(
        steps.map(({ what, unit, reason }) => [what, unit, what === 'started' ? '' : reason]),
        [
          ['failed', 'qwen.service', 'masked'],
          ['started', 'qwen.service', ''],
          ['stopped', 'qwen.service', 'command'],
          ['ready', 'qwen.service', null],
          ['started', 'qwen.service', ''],
        ],
      )
      assert.ok(steps[3]!.ready_ms! >= 0)
      const { stdout } = await list('qwen')
      assert.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d +ready +after \d/m)
      assert.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d +stopped +command$/m)
    })

    test('cannot be started while the starter is away, which is a condition too', async (t) => {
      const { gateway, starter, steer } = await start(t)
      await starter.close()
      await gateway.logged({ event: 'starter_lost' })
      const { status, stderr } = await steer('start')
      assert.equal(status, 1)
      assert.match(stderr, /^error: qwen is not ready: starter-unreachable\n/)
    })
  })
}
