import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { createNotifier, takeManagerSettings } from '../../src/systemd/notify.ts'

suite('what the manager says', () => {
  test('the socket and half of the watchdog time are taken, and no child inherits them', () => {
    const env: NodeJS.ProcessEnv = {
      NOTIFY_SOCKET: '/run/notify',
      WATCHDOG_USEC: '60000000',
      WATCHDOG_PID: '7',
      SYSTEMD_EXEC_PID: '7',
      HOME: '/',
    }
    assert.deepEqual(takeManagerSettings(env, 7), { notifySocket: '/run/notify', watchdogPingMs: 30_000 })
    assert.deepEqual(env, { SYSTEMD_EXEC_PID: '7', HOME: '/' })
  })

  test('what is meant for another process is ignored, and removed', () => {
    const env: NodeJS.ProcessEnv = {
      NOTIFY_SOCKET: '/run/notify',
      WATCHDOG_USEC: '60000000',
      SYSTEMD_EXEC_PID: '6',
    }
    assert.deepEqual(takeManagerSettings(env, 7), { notifySocket: undefined, watchdogPingMs: undefined })
    assert.equal(env['NOTIFY_SOCKET'], undefined)
  })

  test('a watchdog for another process is not ours', () => {
    const env = { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '6' }
    assert.equal(takeManagerSettings(env, 7).watchdogPingMs, undefined)
  })

  for (const period of ['0', '-5', 'soon', '']) {
    test(`a watchdog time of "${period}" is none`, () => {
      assert.equal(takeManagerSettings({ WATCHDOG_USEC: period }, 7).watchdogPingMs, undefined)
    })
  }
})

suite('what the manager is told', () => {
  /** A notifier whose messages wait until the test lets them go. */
  function recorded() {
    const sent: string[][] = []
    const faults: unknown[] = []
    const open: PromiseWithResolvers<void>[] = []
    const notifier = createNotifier('/run/notify', {
      onFault: (cause) => faults.push(cause),
      monotonicUs: () => 123n,
      send(socket, assignments) {
        assert.equal(socket, '/run/notify')
        sent.push([...assignments])
        const end = Promise.withResolvers<void>()
        open.push(end)
        return end.promise
      },
    })
    return { notifier, sent, faults, open }
  }

  test('one message goes out at a time, in order', async () => {
    const { notifier, sent, open } = recorded()
    notifier.ready('serving')
    notifier.reloading()
    assert.deepEqual(sent, [['READY=1', 'STATUS=serving']])
    open[0]!.resolve()
    await open[0]!.promise
    await Promise.resolve()
    assert.deepEqual(sent[1], ['RELOADING=1', 'MONOTONIC_USEC=123'])
  })

  test('signs of life do not queue up behind a message that hangs', async () => {
    const { notifier, sent, open } = recorded()
    notifier.ready('serving')
    for (let count = 0; count < 10; count++) notifier.watchdog()
    open[0]!.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    open[1]!.resolve()
    await notifier.sent()
    assert.deepEqual(sent.slice(1), [['WATCHDOG=1']])
  })

  test('a failure is told once, and the next message is tried', async () => {
    const { notifier, sent, faults, open } = recorded()
    notifier.status('one')
    notifier.status('two')
    open[0]!.reject(new Error('no'))
    await open[0]!.promise.catch(() => {})
    await new Promise((resolve) => setImmediate(resolve))
    open[1]!.reject(new Error('no again'))
    await notifier.sent()
    assert.equal(sent.length, 2)
    assert.deepEqual(faults.map(String), ['Error: no'])
  })

  test('stopping asks for the time that calls may take', () => {
    const { notifier, sent } = recorded()
    notifier.stopping(30_000)
    assert.ok(sent[0]!.includes('STOPPING=1') && sent[0]!.includes('EXTEND_TIMEOUT_USEC=45000000'))
  })

  test('a status can not bring in another assignment', () => {
    const { notifier, sent } = recorded()
    notifier.status('a\nMAINPID=1')
    assert.deepEqual(sent, [['STATUS=a MAINPID=1']])
  })

  test('without a socket nothing is sent', async () => {
    const notifier = createNotifier(undefined, {
      onFault: () => assert.fail(),
      send: () => assert.fail('sent'),
    })
    notifier.ready('x')
    notifier.watchdog()
    await notifier.sent()
  })
})
