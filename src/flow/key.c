#include "flow/key.h"

/* VLAN and tunnel are in the key only when asked for: then the cold lines are read for each packet.
 */
bool key_scope_equal(const struct flow_table *t, uint32_t index, const struct packet *p)
{
    const struct flow_cold *c = &t->cold[index];

    if (t->config.vlan_in_key && (c->vlan[0] != p->vlan[0] || c->vlan[1] != p->vlan[1]))
        return false;
    if (!t->config.tunnel_in_key)
        return true;
    const struct flow_tunnel *tunnel = &t->tunnel[index];
    return tunnel->kind == p->tunnel && (!p->tunnel || tunnel->id == p->tunnel_id);
}
