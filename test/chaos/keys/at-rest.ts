// What has to be true when all clients have gone: nothing is reserved any more, and everything that reports what was spent reports
// the same.
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { nanoOfUsd } from '../../../src/prices/usd.ts'
import { until } from '../../support/deadline.ts'
import { keyNames } from './key-desk.ts'
import { end, type KeysWorld } from './keys-world.ts'
import { readSaved } from './spend.ts'

interface ShownBudget {
  readonly of: string
  readonly unit: 'usd' | 'tokens'
  readonly per: string
  readonly spent: string | number
  readonly reserved: string | number
}

export async function judgeAtRest(world: KeysWorld): Promise<void> {
  const { lives, desk, accuse } = world
  const life = lives.current!
  await desk.renew()
  const attempt = (what: Promise<void>) => what.catch((error: Error) => accuse(error.message))
  for (const name of keyNames) await attempt(judgeBudgets(world, name, life.gateway.url))
  await attempt(judgeUsage(world, life.gateway.url))
  for (const command of [['audit', 'verify'] as const]) {
    const { status, stdout, stderr } = await desk.run(...command)
    if (status !== 0) accuse(`${command.join(' ')}: ${stdout}${stderr}`)
  }
  await end(world, life, 'SIGTERM')
  if (life.gateway.ending() !== 0) accuse(`SIGTERM ended it with ${life.gateway.ending()}`)
}

/** `GET /v1/limits`, `key show` and the file. */
async function judgeBudgets(
  { lives, desk, accuse }: KeysWorld,
  name: (typeof keyNames)[number],
  url: string,
): Promise<void> {
  const headers = { authorization: `Bearer ${desk.texts[name].at(-1)}`, connection: 'close' }
  let shown: ShownBudget[] = []
  await until(async () => {
    const answer = await fetch(`${url}/v1/limits`, { headers })
    const { budgets = [], error } = (await answer.json()) as { budgets?: ShownBudget[]; error?: object }
    if (error !== undefined) throw new Error(`the limits of ${name}: ${JSON.stringify(error)}`)
    shown = budgets
    return shown.length > 0 && shown.every(({ reserved }) => Number(reserved) === 0)
  }, `nothing to be reserved of ${name}`)
  const { id } = desk.keys.find((key) => key.name === name)!
  const own = shown.filter((budget) => budget.of === name)
  const amountOf = ({ unit, spent }: Pick<ShownBudget, 'unit' | 'spent'>) =>
    unit === 'usd' ? nanoOfUsd(spent) : spent
  await until(
    async () => {
      const saved = (await readSaved(lives.stateDirectory)).spent.get(`key:${id}`) ?? { nano: 0, tokens: 0 }
      return own
        .filter(({ per }) => per === 'total')
        .every((budget) => amountOf(budget) === saved[budget.unit === 'usd' ? 'nano' : 'tokens'])
    },
    `the file to have what was spent of ${name}: ${JSON.stringify(own)}`,
  )
  const inApi = spentOf(own)
  let inCommand = ''
  // The command reads the file, which is written a moment after the last charge.
  await until(async () => {
    const { stdout } = await desk.run('key', 'show', name, '--json')
    const { spending } = JSON.parse(stdout) as { spending: readonly Pick<ShownBudget, 'spent'>[] }
    inCommand = spentOf(spending)
    return inCommand === inApi
  }, `key show to agree with /v1/limits`).catch(() => {
    accuse(`${name} has spent ${inApi} in /v1/limits and ${inCommand} in key show`)
  })
}

function spentOf(budgets: readonly Pick<ShownBudget, 'spent'>[]): string {
  return budgets.map(({ spent }) => String(spent)).join()
}

/** `GET /v1/usage` and the rows. */
async function judgeUsage({ lives, desk }: KeysWorld, url: string): Promise<void> {
  const headers = { authorization: `Bearer ${desk.masterText}`, connection: 'close' }
  const ofRows = () => {
    const database = new DatabaseSync(join(lives.stateDirectory, 'usage.db'), { readOnly: true })
    try {
      const sums = `SELECT names.name AS key, SUM(cost_nano) AS nano FROM calls JOIN names ON names.id = calls.key GROUP BY key`
      return database
        .prepare(sums)
        .all()
        .map(({ key, nano }) => `${String(key)} ${Number(nano)}`)
    } finally {
      database.close()
    }
  }
  let seen = ''
  await until(async () => {
    const answer = await fetch(`${url}/v1/usage?by=key&since=1d`, { headers })
    const { data = [], error } = (await answer.json()) as {
      data?: readonly { readonly key: string | null; readonly cost_nano: number }[]
      error?: object
    }
    if (error !== undefined) throw new Error(`the usage: ${JSON.stringify(error)}`)
    const reported = data
      .filter(({ key }) => key !== null && key !== '')
      .map(({ key, cost_nano: nano }) => `${key} ${nano}`)
    seen = `${reported.toSorted().join()} reported, ${ofRows().toSorted().join()} in rows`
    return reported.toSorted().join() === ofRows().toSorted().join()
  }, 'the usage of each key to be the sum of its rows').catch((error: Error) => {
    throw new Error(`${error.message}: ${seen}`)
  })
}
