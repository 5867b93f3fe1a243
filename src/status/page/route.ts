// Where a model's name leads.
import { Component, type ComponentChildren, type VNode } from 'preact'
import { h } from './element.ts'
import { section } from './parts.ts'
import { type Answer, explain } from './requests.ts'

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
        h(
          'label',
          { class: 'field' },
          'Model',
          h('input', { name: 'model', list: 'models', autocomplete: 'off', required: true }),
        ),
        h(
          'datalist',
          { id: 'models' },
          this.props.models.map((value) => h('option', { key: value, value })),
        ),
        h('button', { type: 'submit' }, 'Explain'),
      ),
      answer &&
        h(
          'div',
          { class: 'panel', role: 'status' },
          answer.ok ? tree(answer.value) : h('p', { class: 'state bad' }, answer.message),
        ),
    )
  }

  async #ask(form: FormData): Promise<void> {
    this.setState({ answer: await explain(form.get('model') as string) })
  }
}

/** Any JSON as nested lists: what `explain` reports grows with the configuration. */
function tree(value: unknown): ComponentChildren {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value).replaceAll(/^"|"$/g, '')
  if (Array.isArray(value)) {
    if (value.every((each) => typeof each !== 'object')) return value.join(', ') || 'none'
    return h(
      'ol',
      null,
      value.map((each) => h('li', null, tree(each))),
    )
  }
  return h(
    'dl',
    { class: 'tree' },
    Object.entries(value)
      .filter(([, each]) => each !== null)
      .map(([name, each]) =>
        h('div', { key: name }, h('dt', null, name.replaceAll('_', ' ')), h('dd', null, tree(each))),
      ),
  )
}
