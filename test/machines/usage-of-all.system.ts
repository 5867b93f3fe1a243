// What two gateways, in processes of their own, have recorded and use, over a real server.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { Redis } from 'ioredis'

import { chat } from '../support/calls.ts'
import { until } from '../support/deadline.ts'
import { echo } from '../support/gateway-config.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { missing } from '../support/needs.ts'
import { redisProgram, type RedisServer, startRedis } from '../support/redis.ts'
import { runCommand } from '../support/run-command.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

const prefix = 'usage'
const store = { kind: 'valkey', url: { env: 'STORE_URL' }, members: 3, prefix } as const
const setup = {
  ...echo,
  models: { small: { provider: 'echo' }, large: { provider: 'echo' } },
  rate_limit_settings: { store, limits: { small: { rpm: 100 } } },
} as const

/** Has joined. */
async function startMember(t: Cleanup, server: RedisServer, home?: string): Promise<GatewayProcess> {
  const env = { STORE_URL: server.url, ...(home !== undefined && { XDG_STATE_HOME: home }) }
  const { gateway } = await startGatewayProcess(t, setup, env)
  await gateway.says(/limits_store_up/)
  return gateway
}

async function command(gateway: GatewayProcess, ...args: string[]) {
  return runCommand(args, { env: { HOME: gateway.folder } })
}

function machineOf({ folder }: GatewayProcess): string {
  return readFileSync(join(folder, '.local/state/llm-gateway/machine'), 'utf8').trim()
}

interface Json {
  readonly data: readonly Record<string, string | number>[]
  readonly total: Record<string, number>
  readonly machines: readonly Record<string, string | number>[]
}

async function usage(gateway: GatewayProcess, ...args: string[]) {
  const { status, stdout, stderr } = await command(gateway, 'usage', '--all', '--format', 'json', ...args)
  return { status, stderr, report: JSON.parse(stdout || '{}') as Json }
}

async function call(gateway: GatewayProcess, model: string, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) assert.equal((await chat(gateway, model)).status, 200)
}

suite('usage of all machines', { skip: missing(redisProgram) }, () => {
  test('is the sum of what each has recorded, by whatever is asked for', async (t) => {
    const server = await startRedis(t)
    const [one, two] = [await startMember(t, server), await startMember(t, server)]
    await call(one, 'small', 2)
    await call(one, 'large', 1)
    await call(two, 'small', 3)
    for (const gateway of [one, two]) {
      const { status, stderr, report } = await usage(gateway, '--by', 'model')
      assert.deepEqual([status, stderr], [0, ''])
      const counts = report.data.map(({ model, calls }) => `${model} ${calls}`)
      assert.deepEqual(new Set(counts), new Set(['large 1', 'small 5']))
      assert.equal(report.total['calls'], 6)
      const machines = report.machines.map(({ state, calls }) => [state, calls])
      assert.deepEqual(machines, [
        ['counted', 3],
        ['counted', 3],
      ])
    }
    const { report } = await usage(one, '--by', 'machine,model')
    const names = report.machines.map(({ name }) => name)
    assert.equal(new Set(names).size, 2)
    const rows = report.data.map(({ machine, model, calls }) => `${machine} ${model} ${calls}`)
    assert.deepEqual(
      new Set(rows),
      new Set([`${names[0]} large 1`, `${names[0]} small 2`, `${names[1]} small 3`]),
    )
    const csv = await command(one, 'usage', '--all', '--by', 'model,machine', '--format', 'csv')
    assert.match(csv.stdout, /^model,machine,calls,/)
    assert.equal(csv.stdout.trim().split('\r\n').length, 4)
    const table = await command(one, 'usage', '--all')
    assert.match(table.stdout, /^of 2 machines: /m)
    const alone = await command(one, 'usage', '--format', 'json')
    assert.equal((JSON.parse(alone.stdout) as Json).total['calls'], 3)
    // Nothing of a question stays.
    const keys = (await server.command('KEYS', '*')).split('\n')
    assert.deepEqual(
      keys.filter((key) => /:(?:ask|answer):/.test(key)),
      [],
    )
  })

  test('is asked of members only, with a question that has an answer', async (t) => {
    const server = await startRedis(t)
    const { gateway: alone } = await startGatewayProcess(t, echo)
    const refused = await command(alone, 'usage', '--all')
    assert.deepEqual([refused.status, refused.stdout], [1, ''])
    assert.match(refused.stderr, /shares nothing with other machines/)
    const member = await startMember(t, server)
    const cases = [
      [['--by', 'nothing'], /--by: "nothing" is not one of/],
      [['--db', 'x'], /either --all or --db/],
    ] as const
    for (const [args, message] of cases) {
      const { status, stderr } = await command(member, 'usage', '--all', ...args)
      assert.equal(status, 2)
      assert.match(stderr, message)
    }
    const { status, stderr } = await command(member, 'usage', '--by', 'machine')
    assert.deepEqual([status, stderr], [2, 'error: --by machine needs --all\n'])
    await server.kill()
    await member.says(/limits_store_down/)
    const away = await command(member, 'usage', '--all')
    assert.equal(away.status, 1)
    assert.match(away.stderr, /The store that the machines share/)
  })

  test('counts a ledger once that two machines have, and reports the copy', async (t) => {
    const server = await startRedis(t)
    const one = await startMember(t, server)
    await call(one, 'small', 2)
    await command(one, 'usage')
    assert.equal(await one.stop(), 0)
    const state = join(one.folder, '.local/state')
    const copies = [join(one.folder, 'a'), join(one.folder, 'b')]
    for (const copy of copies)
      cpSync(join(state, 'llm-gateway'), join(copy, 'llm-gateway'), { recursive: true })
    // Of the second, only the ledger was copied: the machine is another one.
    writeFileSync(join(copies[1]!, 'llm-gateway/machine'), '')
    const first = await startMember(t, server, copies[0])
    await startMember(t, server, copies[1])
    const { status, stdout, stderr } = await runCommand(['usage', '--all', '--format', 'json'], {
      env: { HOME: first.folder, XDG_STATE_HOME: copies[0] },
    })
    const report = JSON.parse(stdout) as Json
    assert.equal(report.total['calls'], 2)
    assert.deepEqual(
      report.machines.map((each) => each['state']),
      ['counted', 'same_ledger'],
    )
    assert.equal(status, 3)
    assert.match(stderr, /^warning: .* has the ledger of .*, which is counted once/)
  })

  test('names who is there and does not answer, and who was there', async (t) => {
    const server = await startRedis(t)
    const [one, two] = [await startMember(t, server), await startMember(t, server)]
    await call(one, 'small', 1)
    await call(two, 'small', 1)
    // As an older gateway would: it joins, and knows no questions.
    const older = new Redis(server.url)
    t.after(() => older.disconnect())
    const joinAgain = () =>
      older.hset(
        `{${prefix}}:members`,
        'f00d.1',
        JSON.stringify({ host: 'older', version: '0.0.1', seen: Date.now() }),
      )
    await joinAgain()
    const timer = setInterval(() => void joinAgain(), 500)
    t.after(() => clearInterval(timer))
    const { status, stderr, report } = await usage(one)
    assert.equal(report.total['calls'], 2)
    assert.equal(status, 3)
    assert.equal(stderr, 'warning: older has not answered; what it has recorded is missing\n')
    clearInterval(timer)
    await older.hdel(`{${prefix}}:members`, 'f00d.1')
    assert.equal(await two.stop(), 0)
    const after = await usage(one)
    assert.deepEqual([after.status, after.report.total['calls']], [0, 1])
    assert.match(after.stderr, /^note: .* is not there since .*; what it has recorded is missing\n$/)
  })

  test('takes nothing from others that is no answer', async (t) => {
    const server = await startRedis(t)
    const [one, two] = [await startMember(t, server), await startMember(t, server)]
    await call(two, 'small', 1)
    const liar = new Redis(server.url)
    const ear = new Redis(server.url)
    t.after(() => [liar, ear].forEach((each) => each.disconnect()))
    const [member] = (await liar.hkeys(`{${prefix}}:members`)).filter(
      (each) => !each.startsWith(machineOf(one)),
    )
    await ear.subscribe(`{${prefix}}:news`)
    ear.on('message', (_channel, message) => {
      const [kind, id] = message.split(' ')
      if (kind !== 'ask') return
      const pieces = [
        '',
        'x',
        `${member} 0 200 QQ==`,
        `${member} 5 2 QQ==`,
        'other.1 0 1 QQ==',
        `${member} 0 1 QQ==`,
      ]
      void liar.lpush(`{${prefix}}:answer:${id}`, ...pieces.toReversed())
    })
    const { status, stderr, report } = await usage(one)
    // The last of them is an answer in the name of the other machine that cannot be read, if it comes first.
    const { state, reason } = report.machines[1]!
    if (state === 'failed') {
      assert.deepEqual([status, reason], [3, 'its answer cannot be read'])
      assert.match(stderr, /its answer cannot be read; what it has recorded is missing/)
    } else assert.deepEqual([status, state], [0, 'counted'])
    assert.equal(report.machines.length, 2)
  })
})

suite('machines', { skip: missing(redisProgram) }, () => {
  test('are listed with what each uses, wherever limits are shown', async (t) => {
    const server = await startRedis(t)
    const [one, two] = [await startMember(t, server), await startMember(t, server)]
    await call(one, 'small', 2)
    await call(two, 'small', 3)
    const uses = async () => {
      const limits = (await (await fetch(`${one.url}/v1/limits`)).json()) as {
        data: { model: string; used: { requests: number } }[]
        store: { up: boolean; in_force: string; here: number; machines: { uses: unknown[] }[] }
      }
      return limits
    }
    const usesText = async () => JSON.stringify((await uses()).store.machines.map((each) => each.uses))
    await until(async () => /"requests":2,.*"requests":3,/.test(await usesText()), 'the uses of both')
    const { data, store: shown } = await uses()
    assert.deepEqual([shown.up, shown.in_force, shown.here], [true, 'all', 2])
    assert.equal(data.find(({ model }) => model === 'small')?.used.requests, 5)

    const { status, stdout } = await command(one, 'machines')
    assert.equal(status, 0)
    assert.match(stdout, /\(this one\) +here .*small: 2 requests, /)
    assert.match(stdout, /small: 3 requests, /)
    assert.match(stdout, /^2 of at most 3 machines share limits over \w+ [\d.]+$/m)
    const text = await command(one, 'status')
    assert.match(text.stdout, /^Machines\n {2}2 of at most 3 machines/m)
    const metrics = await (await fetch(`${two.url}/metrics`)).text()
    assert.equal(metrics.match(/^llm_gateway_limits_store_member_info\{.*\} 1$/gm)?.length, 2)
    assert.match(metrics, /^llm_gateway_limits_store_member_used\{.*model="small",dimension="requests"\} 2$/m)
    assert.match(metrics, /^llm_gateway_limit_used\{model="small",dimension="requests"\} 5$/m)

    await server.kill()
    await one.says(/limits_store_down/)
    const away = await uses()
    assert.deepEqual([away.store.up, away.store.in_force], [false, 'share'])
    assert.match(
      (await command(one, 'machines')).stdout,
      /^the store is away \(.*\): this machine has its part/m,
    )
  })

  test('that are gone give up what they hold of budgets and have not spent', async (t) => {
    const server = await startRedis(t)
    const [one, two] = [await startMember(t, server), await startMember(t, server)]
    const gone = machineOf(two)
    const field = `m:${gone}`
    const held = (name: string) => server.command('HGET', `{${prefix}}:s:b:${name}`, field)
    const lease = Date.now()
    await server.command('HSET', `{${prefix}}:s:b:x:usd:day:1`, field, `7 ${lease} 0 900 300 40 40`)
    await server.command('HSET', `{${prefix}}:s:b:y:usd:day:1`, field, `7 ${lease} 0 300 300 0 0`)
    await server.command('HSET', `{${prefix}}:s:b:x:usd:day:1`, 'm:0', `7 ${lease} 0 500 100 0 0`)
    const early = await command(one, 'machines', 'forget', gone)
    assert.equal(early.status, 1)
    assert.match(early.stderr, /a gateway of .* is there; stop it first/)
    assert.equal(await held('x:usd:day:1'), `7 ${lease} 0 900 300 40 40`)
    assert.equal(await two.stop(), 0)
    const { status, stdout, stderr } = await command(one, 'machines', 'forget', gone)
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /is forgotten: what it held of 1 budget is free again/)
    assert.equal(await held('x:usd:day:1'), `7 ${lease} 0 300 300 40 40`)
    assert.equal(
      await server.command('HGET', `{${prefix}}:s:b:x:usd:day:1`, 'm:0'),
      `7 ${lease} 0 500 100 0 0`,
    )
    await until(
      async () => !(await command(one, 'machines')).stdout.includes('stopped'),
      'its end in the list',
    )
    const unknown = await command(one, 'machines', 'forget', 'nobody')
    assert.equal(unknown.status, 1)
    assert.match(unknown.stderr, /there is no machine "nobody"; of the last day there are /)
  })
})
