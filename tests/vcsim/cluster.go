// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// setCluster sets what is configured of a cluster, when its VMs are there.
func (inv *inventory) setCluster(dc *datacenter, c *clusterConfig) error {
	ref := dc.folders.HostFolder.Reference()
	folder := simulator.Map.Get(ref).(*simulator.Folder)
	found, ok := simulator.Map.FindByName(c.Name,
		folder.ChildEntity).(*simulator.ClusterComputeResource)
	if !ok {
		return fmt.Errorf("no host is in the cluster %q", c.Name)
	}
	config := found.ConfigurationEx.(*types.ClusterConfigInfoEx)
	config.DasConfig.Enabled = types.NewBool(c.HA)
	config.DrsConfig.Enabled = types.NewBool(c.DRS)
	config.DpmConfigInfo = &types.ClusterDpmConfigInfo{
		Enabled: types.NewBool(c.DPM)}
	for _, rule := range c.Rules {
		if err := inv.addRule(config, rule); err != nil {
			return fmt.Errorf("cluster %s: %v", c.Name, err)
		}
	}
	return nil
}

func (inv *inventory) addRule(config *types.ClusterConfigInfoEx,
	c ruleConfig) error {
	refs, err := inv.machineRefs(c.VMs)
	if err != nil {
		return err
	}
	info := types.ClusterRuleInfo{Key: int32(len(config.Rule) + 1),
		Name: c.Name, Enabled: types.NewBool(!c.Disabled),
		UserCreated: types.NewBool(true)}
	group := "VMs of " + c.Name
	var rule types.BaseClusterRuleInfo
	switch c.Type {
	case "affinity":
		rule = &types.ClusterAffinityRuleSpec{ClusterRuleInfo: info, Vm: refs}
	case "antiAffinity":
		rule = &types.ClusterAntiAffinityRuleSpec{ClusterRuleInfo: info,
			Vm: refs}
	case "hostAffinity":
		rule = &types.ClusterVmHostRuleInfo{ClusterRuleInfo: info,
			VmGroupName: group, AffineHostGroupName: "hosts of " + c.Name}
	case "hostAntiAffinity":
		rule = &types.ClusterVmHostRuleInfo{ClusterRuleInfo: info,
			VmGroupName: group, AntiAffineHostGroupName: "hosts of " + c.Name}
	default:
		return fmt.Errorf("a rule of type %q", c.Type)
	}
	config.Rule = append(config.Rule, rule)
	config.Group = append(config.Group, &types.ClusterVmGroup{
		ClusterGroupInfo: types.ClusterGroupInfo{Name: group}, Vm: refs})
	return nil
}

func (inv *inventory) machineRefs(names []string) (
	[]types.ManagedObjectReference, error) {
	var refs []types.ManagedObjectReference
	for _, name := range names {
		var found *machine
		for _, m := range inv.machines {
			if m.config.Name == name {
				found = m
			}
		}
		if found == nil {
			return nil, fmt.Errorf("no VM %q", name)
		}
		refs = append(refs, found.vm.Self)
	}
	return refs, nil
}
