// Preact's `h` with types that hold an element's attributes and a component's properties to their names.
import { Component, h as create, type Attributes, type ComponentChildren, type JSX, type VNode } from 'preact'

interface CreateElement {
  <Name extends keyof JSX.IntrinsicElements>(
    name: Name,
    attributes: JSX.IntrinsicElements[Name] | null,
    ...children: readonly ComponentChildren[]
  ): VNode
  <Props>(
    component: ((props: Props) => VNode) | (new (props: Props) => object),
    props: Props & Attributes,
    ...children: readonly ComponentChildren[]
  ): VNode
}

export const h = create as unknown as CreateElement

/** The common case: an element with a class. */
export function box(
  name: 'div' | 'p' | 'span',
  look: string,
  ...children: readonly ComponentChildren[]
): VNode {
  return h(name, { class: look }, ...children)
}

/** A component with a state of its own. @param view is called anew after each change of properties or state. */
export function stateful<Props, State>(
  first: State,
  view: (props: Props, state: State, change: (members: Partial<State>) => void) => VNode,
): new (props: Props) => object {
  return class extends Component<Props, State> {
    override state = first

    override render(): VNode {
      return view(this.props, this.state, (members) => this.setState(members))
    }
  }
}
