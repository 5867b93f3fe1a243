// Which way a call goes to a provider: the first of its format's ways whose end the provider speaks.
import type { ClientDialect } from '../dialects/dialect.ts'
import type { Translator } from '../dialects/translator.ts'
import { GatewayError } from '../errors.ts'
import { apiPath } from '../http/api-path.ts'
import type { Provider } from '../upstream/provider.ts'
import { shownPath } from '../upstream/request-target.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Snapshot } from './call.ts'

type On = Pick<Snapshot, 'dialects' | 'formats'>

/**
 * A promise where the provider has to be asked first. What remains unclear counts as not spoken, as long as another way is
 * known.
 * @param mayAsk false for a provider that fails, or is starting: a question would wait for it, and show nothing.
 */
export function wayTo(
  provider: Provider,
  dialect: ClientDialect,
  mayAsk: boolean,
  on: On,
): Translator | GatewayError | Promise<Translator | GatewayError> {
  let unclear: Translator | undefined
  const ways = on.dialects.get(dialect) ?? []
  for (const way of ways) {
    const isSpoken = known(provider, way, on)
    if (isSpoken === true) return way
    if (isSpoken === undefined && mayAsk) return askedWay(provider, dialect, ways, on)
    if (isSpoken === undefined) unclear ??= way
  }
  return unclear ?? noWay(provider, dialect)
}

async function askedWay(
  provider: Provider,
  dialect: ClientDialect,
  ways: readonly Translator[],
  on: On,
): Promise<Translator | GatewayError> {
  let unclear: Translator | undefined
  for (const way of ways) {
    const isSpoken = known(provider, way, on) ?? (await on.formats.find(provider.name, way.provider))
    if (isSpoken === true) return way
    if (isSpoken === undefined) unclear ??= way
  }
  return unclear ?? noWay(provider, dialect)
}

function known(provider: Provider, { provider: { name } }: Translator, on: On): boolean | undefined {
  return provider.speaks(name) ?? on.formats.current(provider.name, name)
}

function noWay({ name }: Provider, dialect: ClientDialect): GatewayError {
  const { path, withoutRoute } = dialect.native
  if (withoutRoute !== undefined) {
    return new GatewayError('unknown_url', `Provider "${name}" has no ${shownPath(path)}. ${withoutRoute}`)
  }
  const message = `Provider "${name}" supports neither ${apiPath(dialect.path)} nor a format that its requests can be translated to.`
  return new GatewayError('not_translatable', message)
}

/** Whether a provider is configured, or of a kind, that speaks the format of this way. */
export function isKnownWay(provider: Provider, { provider: { name } }: Translator): boolean {
  return provider.speaks(name) !== undefined
}

/**
 * Whether an attempt came out as if the provider lacked a format that a probe has shown it to speak: it may be another program, or
 * another version of it, by now.
 */
export function isDoubtful(outcome: AttemptOutcome, provider: Provider, translator: Translator): boolean {
  if (isKnownWay(provider, translator)) return false
  if (outcome.kind === 'failed') return outcome.isRouteMissing === true
  if (outcome.kind !== 'refused' || outcome.meaning === 'missing_model') return false
  return outcome.head.status === 404 || outcome.head.status === 405
}
