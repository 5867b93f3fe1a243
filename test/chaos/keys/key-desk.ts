// The operator of a run: keys are made, rotated, revoked, restricted and given more to spend, by the commands that operators
// use, one after the other and without regard to what happens to the gateway meanwhile.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { parseKeyFile } from '../../../src/clients/keys/key-file.ts'
import { parseKey } from '../../../src/clients/keys/key-format.ts'
import type { KeyRecord } from '../../../src/clients/keys/key-record.ts'
import type { Random } from '../../support/random.ts'
import { type EndedCommand, runCommand } from '../../support/run-command.ts'
import type { KeyVersion, Presented } from './key-history.ts'
import { type Lives, wallNow } from './lives.ts'

/** What each key may spend at first, and whether that runs out. Calls cost some 0.0003 USD. */
export const purses = {
  ample: { budgets: ['1000000usd/total', '1000000000000tokens/month'], runsOut: false, models: 'any' },
  dollars: { budgets: ['0.004usd/total', '1000usd/day'], runsOut: true, models: 'any' },
  tokens: { budgets: ['2500tokens/total'], runsOut: true, models: 'any' },
  narrow: { budgets: ['1000000usd/week'], runsOut: false, models: 'free,lon*' },
} as const satisfies Readonly<
  Record<string, { budgets: readonly string[]; runsOut: boolean; models: string }>
>

export type KeyName = keyof typeof purses

export const keyNames = Object.keys(purses) as KeyName[]

/** A key as a client sends it. */
export interface HeldKey extends Presented {
  readonly name: KeyName
  readonly text: string
}

export class KeyDesk {
  readonly versions: KeyVersion[] = []
  /** Every text that was ever printed, the newest last. */
  readonly texts: Record<KeyName, string[]> = { ample: [], dollars: [], tokens: [], narrow: [] }
  masterText = ''
  /** The most that each key was ever allowed to spend in all, in the units of its first budget. */
  readonly limits: Record<KeyName, number> = {
    ample: Infinity,
    dollars: 0.004,
    tokens: 2_500,
    narrow: Infinity,
  }
  /** Commands by name, and how many found the gateway gone. */
  readonly counts = new Map<string, number>()
  readonly #lives: Lives
  readonly #accuse: (what: string) => void

  constructor(lives: Lives, accuse: (what: string) => void) {
    this.#lives = lives
    this.#accuse = accuse
  }

  get keyFile(): string {
    return join(this.#lives.home, 'keys.json')
  }

  /** As of the last command. */
  get keys(): readonly KeyRecord[] {
    return this.versions.at(-1)?.keys ?? []
  }

  /** Every client has a key then. */
  async open(): Promise<void> {
    for (const name of keyNames) await this.#create(name)
    this.masterText = textIn(await this.run('key', 'master', 'set', '--generate')) ?? ''
  }

  /** Each key has one valid secret then. */
  async renew(): Promise<void> {
    for (const name of keyNames) {
      const key = this.keys.find((each) => each.name === name)
      if (key === undefined) await this.#create(name)
      else await this.#rotate(name, '0')
      if (key?.isDisabled === true) await this.run('key', 'enable', name)
    }
  }

  /** Does one thing to one key, and tries at once whether its texts are what they are now. */
  async act(random: Random): Promise<void> {
    const before = this.versions.at(-1)!
    await this.#change(random)
    const { keys, acknowledgedAtMs } = this.versions.at(-1)!
    if (acknowledgedAtMs === undefined) return
    const [old, now] = [before.keys, keys].map((each) =>
      each.flatMap(({ secrets }) => secrets.map(({ id }) => id)),
    )
    for (const text of Object.values(this.texts).flat()) {
      const { id } = parseKey(text)!
      if (old!.includes(id) && !now!.includes(id)) await this.#try(text, acknowledgedAtMs, 401)
      if (!old!.includes(id) && now!.includes(id)) {
        const isDisabled = keys.some((key) => key.isDisabled && key.secrets.some((each) => each.id === id))
        await this.#try(text, acknowledgedAtMs, isDisabled ? 401 : 200)
      }
    }
  }

  /** On a few connections, so that each thread is asked. */
  async #try(text: string, fromMs: number, expected: 200 | 401): Promise<void> {
    const { current } = this.#lives
    if (current === undefined) return
    const ask = async () => {
      const headers = { authorization: `Bearer ${text}`, connection: 'close' }
      const response = await fetch(`${current.gateway.url}/v1/limits`, { headers })
      await response.arrayBuffer()
      return response.status
    }
    const asked = await Promise.allSettled(Array.from({ length: 6 }, ask))
    if (!this.#lives.hasLivedThrough(fromMs, wallNow())) return
    const wrong = asked.filter((each) => each.status === 'rejected' || each.value !== expected)
    if (wrong.length > 0) this.#accuse(`a key was to get ${expected} at once: ${JSON.stringify(asked)}`)
  }

  async #change(random: Random): Promise<void> {
    // Without this most keys would be out of use most of the time.
    const broken = keyNames.filter((each) => !this.#isInUse(each))
    const name = random.pick(broken.length > 0 && random.has(0.6) ? broken : keyNames)
    const key = this.keys.find((each) => each.name === name)
    if (key === undefined) return this.#create(name)
    const valid = key.secrets.filter(({ untilMs = Infinity }) => untilMs > wallNow())
    if (valid.length === 0) return this.#rotate(name, random.pick(['0', '2s']))
    if (key.isDisabled && random.has(0.6)) return void (await this.run('key', 'enable', name))
    const [first] = key.secrets
    const act = random.pick([
      'rotate',
      'rotate',
      'rotate',
      'revoke',
      'secret',
      'able',
      'terms',
      'delete',
    ] as const)
    switch (act) {
      case 'rotate':
        return this.#rotate(name, valid.length < 2 ? random.pick(['1s', '2s', '3s', '0']) : '0')
      case 'revoke':
        return void (await this.run('key', 'revoke', name))
      case 'secret':
        return void (await this.run('key', 'revoke', name, '--secret', first!.id))
      case 'able':
        return void (await this.run('key', key.isDisabled ? 'enable' : 'disable', name))
      case 'terms':
        return this.#changeTerms(name, key, random)
      case 'delete':
        return void (await this.run('key', 'delete', name))
      default:
        return act satisfies never
    }
  }

  /** A key for a call: mostly the newest, or an older one, or one with another character. */
  handOut(name: KeyName, random: Random): HeldKey {
    const texts = this.texts[name]
    const text = random.has(0.75) ? texts.at(-1)! : texts[Math.max(0, texts.length - 1 - random.below(4))]!
    const secretId = parseKey(text)!.id
    if (!random.has(0.03)) return { name, text, secretId, isMistyped: false }
    const at = text.length - 20 + random.below(10)
    const typed = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`
    return { name, text: typed, secretId, isMistyped: true }
  }

  /** Commands that have ended are in force in a gateway that starts from now on. */
  acknowledgeWritten(writtenBeforeMs: number, atMs: number): void {
    const last = this.versions.findLast(({ begunAtMs }) => begunAtMs < writtenBeforeMs)
    if (last !== undefined) last.acknowledgedAtMs ??= atMs
  }

  /** Runs a command beside the gateway that lives, or lived last, as its user. */
  async run(...args: readonly string[]): Promise<EndedCommand> {
    const begunAtMs = wallNow()
    const env = { HOME: this.#lives.home, XDG_RUNTIME_DIR: '', PATH: '' }
    const ended = await runCommand([...args, '--config', this.#lives.configFile], { env })
    const atMs = wallNow()
    const isChange = args[0] === 'key' && args[1] !== 'show'
    if (isChange) this.#note(begunAtMs, ended.status === 0 ? atMs : undefined)
    const name = args.slice(0, 2).join(' ')
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    // A command whose gateway ends or starts meanwhile may fail, and says so.
    if (ended.status !== 0 && this.#lives.hasLivedThrough(begunAtMs, atMs)) {
      this.#accuse(`${args.slice(0, 3).join(' ')} ended with ${ended.status}: ${ended.stdout}${ended.stderr}`)
    }
    return ended
  }

  #isInUse(name: KeyName): boolean {
    const key = this.keys.find((each) => each.name === name)
    if (key === undefined || key.isDisabled) return false
    return key.secrets.some(({ untilMs = Infinity }) => untilMs > wallNow())
  }

  #note(begunAtMs: number, acknowledgedAtMs: number | undefined): void {
    const parsed = parseKeyFile(readFileSync(this.keyFile, 'utf8'))
    if (parsed.kind === 'parsed') {
      this.versions.push({ keys: parsed.file.keys, begunAtMs, acknowledgedAtMs })
    } else this.#accuse(`the key file has faults: ${JSON.stringify(parsed.faults)}`)
  }

  async #create(name: KeyName): Promise<void> {
    const { budgets, models } = purses[name]
    const options = budgets.flatMap((budget) => ['--budget', budget])
    this.#keep(name, await this.run('key', 'create', name, '--models', models, ...options))
  }

  async #rotate(name: KeyName, grace: string): Promise<void> {
    this.#keep(name, await this.run('key', 'rotate', name, '--grace', grace))
  }

  #keep(name: KeyName, ended: EndedCommand): void {
    const text = textIn(ended)
    if (text !== undefined) this.texts[name].push(text)
  }

  async #changeTerms(name: KeyName, { terms }: KeyRecord, random: Random): Promise<void> {
    if (name === 'narrow') {
      const models = terms.models?.length === 2 ? 'free,queue' : purses.narrow.models
      return void (await this.run('key', 'set', name, '--models', models))
    }
    if (!purses[name].runsOut)
      return void (await this.run('key', 'set', name, '--parallel', String(2 + random.below(20))))
    const unit = name === 'dollars' ? 'usd' : 'tokens'
    const limit = Number((this.limits[name] * 1.5).toFixed(unit === 'usd' ? 6 : 0))
    this.limits[name] = limit
    await this.run('key', 'set', name, '--budget', `${limit}${unit}/total`)
  }
}

/** The key that a command has printed. */
function textIn({ stdout }: EndedCommand): string | undefined {
  return /^gw_\S+$/m.exec(stdout)?.[0]
}
