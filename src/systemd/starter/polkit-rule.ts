// The rule by which polkit lets the starter of the system's services start and stop units: polkit(8). Without it the machine's manager
// refuses everybody but root. A rule can bound the units by name because the starter runs none of its own there.

/** As in systemd/system/llm-gateway.sysusers. */
const starterUser = 'llm-gateway-services'

/** @param units for exactly these. */
export function polkitRule(units: readonly string[]): string {
  const list = [...new Set(units)].toSorted().map((unit) => `    ${JSON.stringify(unit)},\n`)
  return `// Lets the starter of llm-gateway start and stop these units, and nothing else: polkit(8). It belongs into /etc/polkit-1/rules.d/.
// \`llm-gateway services polkit-rule\` prints it with the units of your configuration; repeat that when they change.
polkit.addRule(function (action, subject) {
  var units = [
${list.join('')}  ];
  // Without reset-failed, a unit that has failed too often could not be started again.
  var verbs = ["start", "stop", "reset-failed"];
  if (action.id === "org.freedesktop.systemd1.manage-units" &&
      subject.user === "${starterUser}" &&
      units.indexOf(action.lookup("unit")) >= 0 &&
      verbs.indexOf(action.lookup("verb")) >= 0) {
    return polkit.Result.YES;
  }
  return polkit.Result.NOT_HANDLED;
});
`
}
