// Where a model's name leads.
import type { ComponentChildren } from 'preact'
import { spaced } from '../outcome-words.ts'
import { box, h, stateful } from './element.ts'
import { count } from './format.ts'
import { code, type Column, facts, field, form, section, state, table } from './parts.ts'
import { type Answer, request } from './requests.ts'
import { wordsOf } from './words.ts'

/** What `GET /status/explain` answers. */
interface Explained {
  readonly model: string
  /** Null: the name leads nowhere. */
  readonly route: {
    readonly rule: string
    readonly entry: string
    readonly targets: readonly Target[]
    readonly fallbacks: readonly string[]
  } | null
  /** The name that is likely meant. */
  readonly suggestion: string | null
}

interface Target {
  readonly provider: string
  readonly model: string
  readonly tier: number
  readonly weight: number
  readonly state: 'ready' | 'failing' | 'cooling' | 'unwell'
  readonly trouble: string | null
  readonly in_flight: number
}

interface View {
  readonly answer?: Answer
}

export const Route = stateful<{ readonly models: readonly string[] }, View>(
  {},
  ({ models }, { answer }, change) =>
    section(
      'route',
      'Where does a name lead?',
      null,
      form(
        (values) =>
          void request(`/status/explain?model=${encodeURIComponent(values.get('model') as string)}`).then(
            (found) => change({ answer: found }),
          ),
        field('Model', h('input', { name: 'model', list: 'models', autocomplete: 'off', required: true })),
        h(
          'datalist',
          { id: 'models' },
          models.map((value) => h('option', { key: value, value })),
        ),
        h('button', null, 'Explain'),
      ),
      answer &&
        h(
          'div',
          { role: 'status' },
          answer.ok ? shown(answer.value as Explained, models) : state('bad', answer.message),
        ),
    ),
)

const columns: readonly Column<Target>[] = [
  ['Provider', '', 'provider'],
  ['Model there', '', 'model'],
  ['State', '', (each) => state(each.state, `${wordsOf(each.state)} ${spaced(each.trouble ?? '')}`)],
  ['Tier', 'n', 'tier', count],
  ['Weight', 'n m', 'weight', count],
  ['Under way', 'n m', 'in_flight', count],
]

function shown({ model, route, suggestion }: Explained, models: readonly string[]): ComponentChildren {
  if (route === null) {
    return [
      state('bad', `${model} leads nowhere.`),
      suggestion ? [' Did you mean ', code(suggestion), '?'] : ` Names: ${models.slice(0, 20).join(', ')}`,
    ]
  }
  return box(
    'div',
    'usage',
    facts(
      ['Name', code(model)],
      ['Matches', `${route.rule} ${route.entry}`],
      ['After all targets fail', route.fallbacks.join(', ')],
    ),
    table(`Targets of ${model} in their order`, route.targets, columns),
  )
}
