// `GET /v1/limits`: what clients can read of their limits.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startLimited } from './limited.ts'
import { echo } from '../support/gateway-config.ts'
import { startGateway } from '../support/app.ts'
import { chat, report } from '../support/calls.ts'

const smallLimits = { limits: { small: { rpm: 10, tpm: 5000, max_parallel_requests: 3 } } }

test('the report tells limits, use, what remains, the line and what was learnt', async (t) => {
  const { gateway, clock } = await startLimited(t, smallLimits)
  await chat(gateway, 'small')
  clock.advance(1000)

  const response = await fetch(`${gateway.url}/v1/limits`)
  const body = (await response.json()) as { data: { calibration: object[] }[] }

  assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
  const [learnt] = body.data[0]!.calibration
  assert.deepEqual(body, {
    object: 'list',
    client: 'ip:127.0.0.1',
    data: [
      {
        model: 'small',
        limits: {
          rpm: 10,
          tpm: 5000,
          max_parallel_requests: 3,
          when_limited: 'reject',
          max_wait_ms: 30000,
        },
        used: { requests: 1, tokens: 12, parallel: 0 },
        remaining: { requests: 9, tokens: 4988, parallel: 3 },
        next_ms: { requests: 0, tokens: 0 },
        reset_ms: { requests: 59_000, tokens: 59_000 },
        waiting: 0,
        calibration: [learnt],
      },
    ],
  })
  assert.deepEqual(Object.keys(learnt!), [
    'provider',
    'tokens_per_byte',
    'error',
    'tokens_per_media',
    'output_tokens',
    'output_deviation',
    'samples',
  ])
})

test('what is not limited is null', async (t) => {
  const { gateway } = await startLimited(t, { limits: { small: { rpm: 10 } } })

  const { limits, remaining, reset_ms: resetMs } = await report(gateway)

  assert.deepEqual([limits['tpm'], limits['max_parallel_requests']], [null, null])
  assert.deepEqual([remaining['tokens'], remaining['parallel'], resetMs['tokens']], [null, null, null])
})

test('the report is there without /v1 too, and takes no POST', async (t) => {
  const { gateway } = await startLimited(t, smallLimits)

  const response = await fetch(`${gateway.url}/limits`)
  const posted = await fetch(`${gateway.url}/v1/limits`, { method: 'POST', body: '{}' })

  assert.equal(response.status, 200)
  assert.equal(posted.status, 405)
  assert.equal(posted.headers.get('allow'), 'GET, HEAD')
})

test('a wildcard is reported under its own name, and counts what its names use together', async (t) => {
  const { gateway } = await startGateway(t, {
    ...echo,
    rate_limit_settings: { limits: { 'open/*': { rpm: 2 } } },
  })

  const statuses = []
  for (const model of ['open/a', 'open/b', 'open/c']) statuses.push((await chat(gateway, model)).status)

  assert.deepEqual(statuses, [200, 200, 429])
  assert.equal((await report(gateway, 'open/*')).used.requests, 2)
})

test('with limits switched off the report is empty', async (t) => {
  const { gateway } = await startLimited(t, { enabled: false, limits: { small: { rpm: 1 } } })

  const response = await fetch(`${gateway.url}/v1/limits`)

  assert.deepEqual(await response.json(), { object: 'list', client: 'ip:127.0.0.1', data: [] })
})

test('asking for the report changes nothing in it', async (t) => {
  const { gateway } = await startLimited(t, smallLimits)
  await chat(gateway, 'small')

  const first = await report(gateway)

  assert.deepEqual(await report(gateway), first)
})
