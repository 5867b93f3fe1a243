// Clouds whose keys people have in their environment, by the names of the variables. Values are looked at for what is no key.
import { secretFault } from '../../config/secrets.ts'
import { cloudAddresses } from '../cloud-addresses.ts'

interface Cloud {
  /** Of the provider. */
  readonly name: string
  /** The first one that is set counts. */
  readonly variables: readonly string[]
  /** In its entry besides the key, as YAML. */
  readonly entry: string
  /** Where it is set, the key is for another server. */
  readonly baseVariable?: string
}

/** Sorted by name. */
const clouds: readonly Cloud[] = [
  {
    name: 'anthropic',
    variables: ['ANTHROPIC_API_KEY'],
    entry: 'kind: anthropic',
    baseVariable: 'ANTHROPIC_BASE_URL',
  },
  cloud('cerebras', ['CEREBRAS_API_KEY']),
  cloud('deepseek', ['DEEPSEEK_API_KEY']),
  cloud('fireworks', ['FIREWORKS_API_KEY']),
  cloud('gemini', ['GEMINI_API_KEY', 'GOOGLE_API_KEY']),
  cloud('groq', ['GROQ_API_KEY']),
  cloud('mistral', ['MISTRAL_API_KEY']),
  { ...cloud('openai', ['OPENAI_API_KEY']), baseVariable: 'OPENAI_BASE_URL' },
  cloud('openrouter', ['OPENROUTER_API_KEY']),
  cloud('together', ['TOGETHER_API_KEY']),
  cloud('xai', ['XAI_API_KEY']),
]

function cloud(name: keyof typeof cloudAddresses, variables: readonly string[]): Cloud {
  return { name, variables, entry: `base_url: ${JSON.stringify(cloudAddresses[name])}` }
}

export interface FoundCloud extends Cloud {
  /** The variable that has the key. */
  readonly variable: string
}

/** Placeholders, such as the `none` of clients that are connected to this gateway, are shorter. */
const minKeyLength = 16

export interface UnusedKey {
  readonly variable: string
  /** A clause after the name of the variable. */
  readonly reason: string
}

/** Variables of keys that are set, and not used because their value is no key. */
export function unusedKeys(env: NodeJS.ProcessEnv): UnusedKey[] {
  const found = new Set(findClouds(env).map(({ name }) => name))
  return clouds
    .filter(({ name, baseVariable = '' }) => !found.has(name) && (env[baseVariable] ?? '') === '')
    .flatMap(({ variables }) => variables.filter((variable) => (env[variable] ?? '') !== ''))
    .map((variable) => ({
      variable,
      reason:
        env[variable]!.length < minKeyLength
          ? `has fewer than ${minKeyLength} characters, so it is taken for no key`
          : 'has characters that no key has, so it is left out',
    }))
}

export function findClouds(env: NodeJS.ProcessEnv): FoundCloud[] {
  return clouds.flatMap((each) => {
    if (each.baseVariable !== undefined && (env[each.baseVariable] ?? '') !== '') return []
    const variable = each.variables.find((name) => isKey(env[name]))
    return variable === undefined ? [] : [{ ...each, variable }]
  })
}

function isKey(value: string | undefined): value is string {
  return value !== undefined && value.length >= minKeyLength && secretFault(value) === undefined
}
