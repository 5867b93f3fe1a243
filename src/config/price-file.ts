// The operator's list of prices, in place of the one that the package brings.
import { dirname, join, resolve } from 'node:path'

import { parseJson } from '../bytes/json/parse.ts'
import { type Accounts } from '../platform/ownership.ts'
import { maxPriceListBytes, readPriceList } from '../prices/price-list.ts'
import type { RawConfig } from './raw.ts'
import { readTrustedFile } from './trusted-file.ts'

/** Where `prices update` writes it, beside the configuration. */
const usualName = 'prices.json'

export type FoundPriceList =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly file: string; readonly text: string }
  /** A sentence that names the file, and how to correct it. */
  | { readonly kind: 'refused'; readonly message: string; readonly hint: string }

/** The file of the configuration's list of prices, whether it is there or not. */
export function priceFileOf(raw: Pick<RawConfig, 'prices'>, configFile: string): string {
  const folder = dirname(resolve(configFile))
  const { file = null } = raw.prices ?? {}
  return file === null ? join(folder, usualName) : resolve(folder, file)
}

/** The list of `prices.file`, or the one beside the configuration, read and checked. */
export function findPriceList(raw: RawConfig, configFile: string, accounts: Accounts): FoundPriceList {
  const { list = 'shipped', file: named = null } = raw.prices ?? {}
  if (list === 'off') return { kind: 'none' }
  const file = priceFileOf(raw, configFile)
  const read = readTrustedFile(file, { maxBytes: maxPriceListBytes, isSecret: false }, accounts)
  if (read.kind === 'absent') {
    if (named === null) return { kind: 'none' }
    return {
      kind: 'refused',
      message: `there is no file ${file}`,
      hint: 'llm-gateway prices update writes it',
    }
  }
  if (read.kind === 'refused') return { kind: 'refused', message: `${file} ${read.message}`, hint: read.hint }
  const checked = readPriceList(parseJson(read.text))
  if (checked.ok) return { kind: 'found', file, text: read.text }
  const hint = 'write it with llm-gateway prices update, or remove it'
  return { kind: 'refused', message: `${file} ${checked.message}`, hint }
}
