// `llm-gateway prices show MODEL`: what calls for a model cost, and where the price comes from.
import { listOf, priceBookOf } from '../app/prices.ts'
import { findConfigFile } from '../config/find.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/types.ts'
import type { FoundPrice } from '../prices/price-book.ts'
import type { PriceList } from '../prices/price-list.ts'
import { readShippedList } from '../prices/shipped-list.ts'
import { printable } from '../platform/printable.ts'
import { RouteTable } from '../routing/route-table.ts'
import { serverKindsOf } from '../routing/server-kinds.ts'
import { type CommandIo, Output } from './output.ts'
import { placeText, priceJson, priceLines } from './price-text.ts'
import { printProblems } from './validate-config.ts'

interface ShownTarget {
  readonly provider: string
  readonly model: string
  /** The one that applies first; empty: the price is unknown. */
  readonly prices: readonly FoundPrice[]
}

/** @returns the exit status: 0, or 1 when neither the configuration nor the list has the model. */
export function pricesShowCommand(
  io: CommandIo,
  model: string,
  { config: named, json }: { readonly config: string | undefined; readonly json: boolean },
): number {
  const loaded = loadConfig(findConfigFile(named, io.env), { env: io.env, withoutSecrets: true })
  if (!loaded.ok) {
    printProblems(io, loaded.problems, loaded.lines)
    return 1
  }
  const { config } = loaded
  const list = listOf(config.prices, readShippedList)
  const targets = targetsOf(model, config)
  const elsewhere = targets.length > 0 ? [] : [...(list?.findEverywhere(model) ?? [])]
  const isFound = targets.length > 0 || elsewhere.length > 0
  if (json) {
    new Output(io.stdout, io.env).json({
      model,
      found: isFound,
      list:
        list === undefined
          ? null
          : { source: list.raw.source, date: list.raw.date, file: config.prices.own?.file ?? null },
      targets: targets.map(({ prices, ...target }) => ({
        ...target,
        prices: prices.map(({ place, setting }) => ({ place, price: priceJson(setting) })),
      })),
      listed: elsewhere.map(([provider, price]) => ({ provider, price: priceJson(price) })),
    })
  } else if (isFound) print(new Output(io.stdout, io.env), { model, targets, elsewhere, list })
  else {
    const message = `Neither the configuration nor the list of prices has a model "${printable(model)}".`
    new Output(io.stderr, io.env).line(message)
  }
  return isFound ? 0 : 1
}

function targetsOf(model: string, config: Config): ShownTarget[] {
  const discovered = [...config.providers.values()].filter(
    (each) => each.kind !== 'echo' && each.discoverModels,
  )
  const lists = new Map(discovered.map(({ name }) => [name, []]))
  const routes = new RouteTable(config.models, lists, serverKindsOf(config.providers))
  const route = routes.find(model) ?? routes.discovered.expected(model)
  const book = priceBookOf(config, readShippedList)
  return (route?.targets ?? []).map((target) => ({
    provider: target.provider,
    model: target.model,
    prices: [...book.pricesOf(target, route!.model.price)],
  }))
}

interface Shown {
  readonly model: string
  readonly targets: readonly ShownTarget[]
  readonly elsewhere: ReturnType<PriceList['findEverywhere']> extends Generator<infer Each>
    ? readonly Each[]
    : never
  readonly list: PriceList | undefined
}

function print(out: Output, { model, targets, elsewhere, list }: Shown): void {
  out.line(out.styled('dim', 'USD per 1,000,000 tokens'))
  for (const { provider, model: name, prices } of targets) {
    out.line()
    out.line(`${out.styled('bold', printable(provider))}  ${printable(name)}`)
    if (prices.length === 0) out.line(`   unknown: set the price of the model, or of the provider`)
    for (const [index, { setting, place }] of prices.entries()) {
      // A price after the first counts only where the provider reports no cost.
      if (index > 0 && prices[index - 1]!.setting !== 'reported') break
      printSetting(out, setting, `${index === 0 ? '' : 'otherwise '}${placeText(place, list?.raw)}`)
    }
  }
  if (elsewhere.length === 0) return
  out.line()
  out.line(`${printable(model)} is not in the configuration. ${placeText('list', list?.raw)}:`)
  for (const [provider, price] of elsewhere) {
    out.line()
    printSetting(out, price, printable(provider))
  }
}

function printSetting(out: Output, setting: FoundPrice['setting'], title: string): void {
  out.line(`   ${printable(title)}`)
  if (setting === 'free') out.line('      free')
  else if (setting === 'reported') out.line('      as the provider reports it')
  else {
    for (const [label, rates] of priceLines(setting)) {
      out.line(`      ${label === '' ? '' : `${printable(label)}: `}${rates}`)
    }
  }
}
