#include "flow/key.h"

/* VLAN and tunnel are in the key only when asked for: then deep lines are read, too.
 */
bool key_scope_equal(const struct flow_table *t, uint32_t index, const struct packet *p)
{
    const struct flow_deep *deep = flow_deep(t, index);

    if (t->config.vlan_in_key &&
        (t->hot[index].vlan != p->vlan[0] || deep->inner_vlan != p->vlan[1]))
        return false;
    return !t->config.tunnel_in_key ||
           (deep->tunnel == p->tunnel && (!p->tunnel || deep->tunnel_id == p->tunnel_id));
}
