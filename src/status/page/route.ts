// Where a model's name leads.
import { Component, type ComponentChildren, type VNode } from 'preact'
import { box, h } from './element.ts'
import { count, spaced, type Tone } from './format.ts'
import { code, facts, field, section, state, table } from './parts.ts'
import { type Answer, explain } from './requests.ts'

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
  readonly state: 'ready' | 'cooling' | 'unwell'
  readonly trouble: string | null
  readonly in_flight: number
}

const tones: Readonly<Record<Target['state'], Tone>> = { ready: 'good', cooling: 'warn', unwell: 'bad' }

interface View {
  readonly answer?: Answer
}

export class Route extends Component<{ readonly models: readonly string[] }, View> {
  override state: View = {}

  override render(): VNode {
    const { answer } = this.state
    return section(
      'route',
      'Where does a name lead?',
      undefined,
      h(
        'form',
        {
          class: 'bar',
          onSubmit: (event) => {
            event.preventDefault()
            void this.#ask(new FormData(event.currentTarget))
          },
        },
        field('Model', h('input', { name: 'model', list: 'models', autocomplete: 'off', required: true })),
        h(
          'datalist',
          { id: 'models' },
          this.props.models.map((value) => h('option', { key: value, value })),
        ),
        h('button', null, 'Explain'),
      ),
      answer &&
        h(
          'div',
          { role: 'status' },
          answer.ok ? shown(answer.value as Explained) : state('bad', answer.message),
        ),
    )
  }

  async #ask(form: FormData): Promise<void> {
    this.setState({ answer: await explain(form.get('model') as string) })
  }
}

function shown({ model, route, suggestion }: Explained): ComponentChildren {
  if (route === null) {
    return [state('bad', `${model} leads nowhere.`), suggestion && [' Did you mean ', code(suggestion), '?']]
  }
  return box(
    'div',
    'usage',
    facts(
      ['Name', code(model)],
      ['Matches', `${route.rule} ${route.entry}`],
      ['After all targets fail', route.fallbacks.join(', ')],
    ),
    table<Target>(
      `Targets of ${model} in their order`,
      [
        ['Provider', '', (target) => target.provider],
        ['Model there', '', (target) => target.model],
        [
          'State',
          '',
          (target) => state(tones[target.state], `${target.state} ${spaced(target.trouble ?? '')}`),
        ],
        ['Tier', 'n', (target) => count(target.tier)],
        ['Weight', 'n m', (target) => count(target.weight)],
        ['Under way', 'n m', (target) => count(target.in_flight)],
      ],
      { rows: route.targets, keyOf: ({ provider, model: name, tier }) => `${tier} ${provider} ${name}` },
    ),
  )
}
