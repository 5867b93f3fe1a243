// Clouds whose keys people have in their environment, by the names of the variables. Values are looked at for what is no key.
import { secretFault } from '../../config/secrets.ts'

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
  cloud('cerebras', ['CEREBRAS_API_KEY'], 'https://api.cerebras.ai/v1'),
  cloud('deepseek', ['DEEPSEEK_API_KEY'], 'https://api.deepseek.com/v1'),
  cloud('fireworks', ['FIREWORKS_API_KEY'], 'https://api.fireworks.ai/inference/v1'),
  cloud(
    'gemini',
    ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    'https://generativelanguage.googleapis.com/v1beta/openai',
  ),
  cloud('groq', ['GROQ_API_KEY'], 'https://api.groq.com/openai/v1'),
  cloud('mistral', ['MISTRAL_API_KEY'], 'https://api.mistral.ai/v1'),
  { ...cloud('openai', ['OPENAI_API_KEY'], 'https://api.openai.com/v1'), baseVariable: 'OPENAI_BASE_URL' },
  cloud('openrouter', ['OPENROUTER_API_KEY'], 'https://openrouter.ai/api/v1'),
  cloud('together', ['TOGETHER_API_KEY'], 'https://api.together.xyz/v1'),
  cloud('xai', ['XAI_API_KEY'], 'https://api.x.ai/v1'),
]

function cloud(name: string, variables: readonly string[], baseUrl: string): Cloud {
  return { name, variables, entry: `base_url: ${JSON.stringify(baseUrl)}` }
}

export interface FoundCloud extends Cloud {
  /** The variable that has the key. */
  readonly variable: string
}

/** Placeholders, such as the `none` of clients that are connected to this gateway, are shorter. */
const minKeyLength = 16

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
