// `llm-gateway prices update --from FILE`: puts a list of prices beside the configuration, in place of the package's. The
// gateway never fetches one: lists of others have been replaced by broken ones, which is for people to notice.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

import { parseJson } from '../bytes/json/parse.ts'
import { findConfigFile } from '../config/find.ts'
import { loadConfig } from '../config/load.ts'
import { findPriceList, priceFileOf } from '../config/price-file.ts'
import type { Config } from '../config/types.ts'
import { type Accounts, systemAccounts } from '../platform/ownership.ts'
import { printable } from '../platform/printable.ts'
import { replaceFile } from '../platform/replace-file.ts'
import {
  compareLists,
  doubtsAbout,
  largestFactor,
  type ListChanges,
  type Move,
  type UsedModel,
} from '../prices/compare-lists.ts'
import { readForeignList } from '../prices/foreign-lists.ts'
import { maxPriceListBytes, type PriceList, readPriceList, writePriceList } from '../prices/price-list.ts'
import { readShippedList } from '../prices/shipped-list.ts'
import { addressOf } from '../app/prices.ts'
import { ask } from './ask.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { rateText } from './price-text.ts'
import { printProblems } from './validate-config.ts'

export interface UpdateIo extends CommandIo {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
}

export interface UpdateOptions {
  readonly from: string
  readonly config?: string | undefined
  /** Writes without asking. */
  readonly yes: boolean
  /** Writes a list that looks broken. */
  readonly force: boolean
}

/** @returns the exit status: 0 when the list is written or in use already, else 1. */
export async function pricesUpdateCommand(
  io: UpdateIo,
  options: UpdateOptions,
  accounts: Accounts = systemAccounts(),
): Promise<number> {
  const err = new Output(io.stderr, io.env)
  const configFile = findConfigFile(options.config, io.env)
  const loaded = loadConfig(configFile, { env: io.env, withoutSecrets: true, withoutPriceList: true })
  if (!loaded.ok) {
    printProblems(io, loaded.problems, loaded.lines)
    return 1
  }
  const next = readNewList(options.from)
  if (typeof next === 'string') {
    err.line(`error: ${printable(options.from)} ${printable(next)}`)
    return 1
  }
  const old = currentList(loaded.raw, configFile, accounts, err)
  const changes = compareLists(old, next, usedModels(loaded.config))
  const out = new Output(io.stdout, io.env)
  printChanges(out, changes, { old, next })
  const doubts = doubtsAbout(changes)
  if (doubts.length > 0 && !options.force) {
    err.line('error: the list looks broken, so nothing was written. If it is right, repeat with --force.')
    for (const doubt of doubts) err.line(`  ${printable(doubt)}`)
    return 1
  }
  const file = priceFileOf(loaded.raw, configFile)
  if (!options.yes && !(await isConfirmed(io, file))) {
    err.line('Nothing was written.')
    return 1
  }
  try {
    replaceFile(file, writePriceList(next.raw), { mode: 0o644 })
  } catch (error) {
    err.line(
      `error: ${printable(file)} could not be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
    )
    return 1
  }
  const isOff = loaded.config.prices.list === 'off'
  const when = isOff ? 'It has no effect while prices.list is off.' : 'It applies from the next reload on.'
  out.line(`Wrote ${printable(file)}. ${when}`)
  return 0
}

/** A predicate for what is wrong with the file. */
function readNewList(from: string): PriceList | string {
  let text: string
  let date: string
  try {
    const read = readAtMost(from, maxPriceListBytes)
    if (read === undefined) return `is too large: at most ${maxPriceListBytes} bytes are allowed`
    date = read.changedAt.toISOString().slice(0, 10)
    text = read.text
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`
  }
  const value = parseJson(text)
  if (value === undefined) return 'is not JSON'
  // A list without a date of its own is as old as the file.
  const read = readPriceList(readForeignList(value, date) ?? value)
  return read.ok ? read.list : read.message
}

/** Undefined: there is more. A pipe has no size to look at beforehand. @throws when it cannot be read. */
function readAtMost(path: string, maxBytes: number): { text: string; changedAt: Date } | undefined {
  const descriptor = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafe(maxBytes + 1)
    let length = 0
    for (let count = 1; count > 0 && length < bytes.length; length += count) {
      count = readSync(descriptor, bytes, { offset: length })
    }
    if (length > maxBytes) return undefined
    return { text: bytes.toString('utf8', 0, length), changedAt: fstatSync(descriptor).mtime }
  } finally {
    closeSync(descriptor)
  }
}

function currentList(
  raw: Parameters<typeof findPriceList>[0],
  configFile: string,
  accounts: Accounts,
  err: Output,
): PriceList {
  const found = findPriceList(raw, configFile, accounts)
  if (found.kind === 'refused') err.line(`warning: ${printable(found.message)}`)
  const read = found.kind === 'found' ? readPriceList(parseJson(found.text)) : undefined
  return read?.ok === true ? read.list : readShippedList()
}

/** Targets whose price is the list's, wildcards aside: their names are the clients'. */
function usedModels({ models, providers }: Config): UsedModel[] {
  return [...models.values()].flatMap(({ name, price, targets }) =>
    targets.flatMap((target): UsedModel[] => {
      const provider = providers.get(target.provider)!
      const address = addressOf(provider)
      const hasOwn = [target.price, price, provider.kind === 'echo' ? 'free' : provider.price].find(
        (each) => each !== undefined && each !== 'reported',
      )
      if (address === undefined || hasOwn !== undefined || target.model.includes('*')) return []
      return [{ name: `${name} at ${target.provider}`, address, model: target.model }]
    }),
  )
}

const maxShown = 20

function printChanges(
  out: Output,
  { total, added, vanished, moved, used }: ListChanges,
  { old, next }: { readonly old: PriceList; readonly next: PriceList },
): void {
  const names = ({ raw: { source, date } }: PriceList) => `${printable(source)}, ${printable(date)}`
  out.line(`from ${names(old)}`)
  out.line(`to   ${names(next)}`)
  out.line(
    `${counted(total, 'model')} so far: ${added} new, ${vanished.length} without a price, ${moved.length} with another price`,
  )
  for (const move of used) printMove(out, move)
  const larger = moved.filter(({ from, to }) => largestFactor(from!, to!) > 2)
  if (larger.length > 0) out.line('More than twice or less than half:')
  printSome(out, larger, (move) => printMove(out, move))
  if (vanished.length > 0) out.line('Without a price:')
  printSome(out, vanished, (name) => out.line(`  ${printable(name)}`))
}

function printSome<Each>(out: Output, all: readonly Each[], print: (each: Each) => void): void {
  for (const each of all.slice(0, maxShown)) print(each)
  if (all.length > maxShown) out.line(`  … and ${all.length - maxShown} more`)
}

function printMove(out: Output, { name, from, to }: Move): void {
  const text = (price: Move['to']) => (price === undefined ? 'none' : rateText(price.rates))
  const [before, after] = [text(from), text(to)]
  const change = before === after ? `${after}, with other tiers` : `${before} → ${after}`
  out.line(`  ${printable(name)}: ${change}`)
}

async function isConfirmed(io: UpdateIo, file: string): Promise<boolean> {
  const answer = await ask(io, `Write ${printable(file)}? [y/N] `)
  return /^y(es)?$/i.test(answer ?? '')
}
