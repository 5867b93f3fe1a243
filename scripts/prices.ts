// Writes the list of prices that the package brings: `node scripts/prices.ts --from FILE --licence FILE --date 2026-11-09`. The first
// file is data.json of genai-prices, or models.dev's api.json; the date is that of its newest price.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { readForeignList } from '../src/prices/foreign-lists.ts'
import { readPriceList, writePriceList } from '../src/prices/price-list.ts'
import { shippedListPath } from '../src/prices/shipped-list.ts'

const text = { type: 'string' } as const
const { from, licence, date } = parseArgs({ options: { from: text, licence: text, date: text } }).values
if (from === undefined || licence === undefined || date === undefined) {
  process.stderr.write('usage: node scripts/prices.ts --from FILE --licence FILE --date YYYY-MM-DD\n')
  process.exit(2)
}
const notice = readFileSync(licence, 'utf8').replaceAll(/\s+/g, ' ').trim()
const raw = readForeignList(JSON.parse(readFileSync(from, 'utf8')), date, notice)
if (raw === undefined) throw new Error(`${from} is no list that is known here`)
const read = readPriceList(raw)
if (!read.ok) throw new Error(`the list ${read.message}`)
writeFileSync(new URL(`../${shippedListPath}`, import.meta.url), writePriceList(raw))
const models = Object.values(raw.providers).reduce((sum, each) => sum + Object.keys(each.models).length, 0)
process.stdout.write(`${Object.keys(raw.providers).length} providers, ${models} models\n`)
